//! The kernel side's attach points, and nothing else: each calls what does the work, and
//! one place turns what became of it into a count.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(any(target_arch = "bpf", test))]
mod decide;
#[cfg(any(target_arch = "bpf", test))]
mod witness;

#[cfg(target_arch = "bpf")]
mod cgroup;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod held;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod overflow;
#[cfg(target_arch = "bpf")]
mod owner;
#[cfg(target_arch = "bpf")]
mod probes;
#[cfg(target_arch = "bpf")]
mod sock;
#[cfg(target_arch = "bpf")]
mod states;

#[cfg(target_arch = "bpf")]
mod hooks {
    use aya_ebpf::{
        macros::{kprobe, kretprobe, raw_tracepoint, sock_ops},
        programs::{ProbeContext, RawTracePointContext, RetProbeContext, SockOpsContext},
    };
    use ngraph_common::{count, event::hook};

    use crate::{
        cgroup,
        decide::{self, Step},
        emit::{Outcome, count, counted},
        held, probes,
        states::{self, Witness},
        witness::{self, Taken},
    };

    /// Arguments: socket, old state, new state.
    #[raw_tracepoint(tracepoint = "inet_sock_set_state")]
    fn inet_sock_set_state(ctx: RawTracePointContext) -> i32 {
        let change = Taken { sock: ctx.arg(0), old: ctx.arg(1), new: ctx.arg(2) };
        witness::taken(change);
        counted(hook::SET_STATE, || match decide::step(change.old, change.new) {
            Step::Nothing => Outcome::Filtered,
            step => states::changed(change, step, Witness::First),
        })
    }

    /// The same, for what the one above was kept from.
    #[raw_tracepoint(tracepoint = "inet_sock_set_state")]
    fn inet_sock_set_state_2(ctx: RawTracePointContext) -> i32 {
        let change = Taken { sock: ctx.arg(0), old: ctx.arg(1), new: ctx.arg(2) };
        let step = decide::step(change.old, change.new);
        if step == Step::Nothing || witness::was_taken(change) {
            return 0;
        }
        counted(hook::SET_STATE, || {
            let outcome = states::changed(change, step, Witness::Second);
            if matches!(outcome, Outcome::Submitted | Outcome::Overflowed) {
                count(hook::SET_STATE, count::RESCUED);
            }
            outcome
        })
    }

    /// Called by sockets at many a thing, and asked for an answer to some: none.
    #[sock_ops]
    fn sock_ops_states(ctx: SockOpsContext) -> u32 {
        if let Some(called) = cgroup::called(&ctx) {
            counted(hook::SOCK_OPS, || cgroup::told(&ctx, called));
        }
        cgroup::NO_ANSWER
    }

    /// Argument: the connecting socket.
    #[kprobe]
    fn tcp_connect(ctx: ProbeContext) -> u32 {
        counted(hook::TCP_CONNECT, || probes::connecting(ctx.arg(0))) as u32
    }

    /// Returns the accepted socket.
    #[kretprobe]
    fn inet_csk_accept(ctx: RetProbeContext) -> u32 {
        counted(hook::CSK_ACCEPT, || probes::taken(ctx.ret())) as u32
    }

    /// Argument: the accepted socket.
    #[kprobe]
    fn security_sock_graft(ctx: ProbeContext) -> u32 {
        counted(hook::SOCK_GRAFT, || probes::grafted(ctx.arg(0))) as u32
    }

    /// Called for each open file, by whoever reads the iterator. The library has no attribute
    /// for it.
    #[unsafe(link_section = "iter/task_file")]
    #[unsafe(no_mangle)]
    extern "C" fn held_sockets(ctx: *const held::Context) -> i32 {
        held::show(ctx);
        0
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The helpers that read kernel memory are for programs under a GPL-compatible license.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
