//! What the root control group's program does. Sockets call it themselves, and nothing keeps
//! it from running: where the tracepoint's programs may be preempted, it is what misses none.
//! (`tcp_call_bpf`) <https://github.com/torvalds/linux/blob/v6.12/include/net/tcp.h>

use core::arch::asm;

use aya_ebpf::{
    bindings::{
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_TCP_CONNECT_CB,
    },
    programs::SockOpsContext,
};

use crate::{
    decide::{Step, step},
    emit::Outcome,
    sock::{CALLS_AT_CHANGES, SockAddress},
    states::{self, Witness},
    witness::Taken,
};

/// What a program returns that leaves the socket's question to others.
pub const NO_ANSWER: u32 = 1;

/// What a socket calls for, of what there is.
#[derive(Clone, Copy)]
pub enum Called {
    /// It is about to send a SYN.
    Connecting,
    /// It is an inbound connection, and about to change to that state.
    Accepting,
    /// It is about to change its state.
    Changing,
}

/// What the socket calls for; `None`: nothing to us.
#[inline(always)]
pub fn called(ctx: &SockOpsContext) -> Option<Called> {
    match ctx.op() {
        BPF_SOCK_OPS_TCP_CONNECT_CB => Some(Called::Connecting),
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB => Some(Called::Accepting),
        BPF_SOCK_OPS_STATE_CB => Some(Called::Changing),
        _ => None,
    }
}

/// A socket tells of itself.
#[inline(always)]
pub fn told(ctx: &SockOpsContext, called: Called) -> Outcome {
    let Some(sock) = sock(ctx) else {
        return Outcome::Filtered;
    };
    match called {
        Called::Connecting => {
            call_at_changes(ctx);
            // The change to SYN_SENT comes before the first call.
            states::attempt(sock, Witness::Cgroup)
        }
        Called::Accepting => {
            call_at_changes(ctx);
            Outcome::Filtered
        }
        Called::Changing => {
            let change = Taken { sock, old: ctx.arg(0) as i32, new: ctx.arg(1) as i32 };
            match step(change.old, change.new) {
                Step::Nothing => Outcome::Filtered,
                step => states::changed(change, step, Witness::Cgroup),
            }
        }
    }
}

/// From here on the socket calls at each change of its state.
#[inline(always)]
fn call_at_changes(ctx: &SockOpsContext) {
    // What others asked of the socket stays. Fails where it is no whole socket, which calls
    // for none of this.
    let _ = ctx.set_cb_flags(ctx.cb_flags() as i32 | i32::from(CALLS_AT_CHANGES));
}

/// Address of the calling socket.
#[inline(always)]
fn sock(ctx: &SockOpsContext) -> Option<SockAddress> {
    // SAFETY: the kernel hands out a whole context, whose fields the verifier knows.
    let sock = unsafe { (*ctx.ops).__bindgen_anon_2.sk };
    if sock.is_null() {
        return None;
    }
    let mut address = sock as u64;
    // The verifier takes it for a socket, which it lets nobody add an offset to. Negated
    // twice it is a number.
    // SAFETY: changes no more than the register that it names.
    unsafe { asm!("{0} = -{0}", "{0} = -{0}", inout(reg) address) };
    Some(address)
}
