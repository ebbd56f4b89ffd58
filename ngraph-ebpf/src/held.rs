//! What the iterator over open files does: of each that is a TCP socket it writes a record.
//!
//! The kernel calls its program for every descriptor of every process, and what the program
//! writes is what the user side reads from the iterator's file.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{
    bindings::{file, seq_file},
    helpers::generated::{bpf_seq_write, bpf_sock_from_file},
};
use ngraph_common::held::{HeldSocket, state};

use crate::sock;

/// What the program is handed: `struct bpf_iter__task_file`.
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/task_iter.c>
#[repr(C)]
pub struct Context {
    meta: *const Meta,
    task: *const c_void,
    fd: u32,
    file: *mut file,
}

/// The head of `struct bpf_iter_meta`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/linux/bpf.h>
#[repr(C)]
struct Meta {
    seq: *mut seq_file,
}

/// Shows the file of the context, if it's a TCP socket that is or may become a connection or
/// listens.
#[inline(always)]
pub fn show(ctx: *const Context) {
    // SAFETY: the kernel hands out a whole context, whose fields the verifier knows.
    let (meta, file) = unsafe { ((*ctx).meta, (*ctx).file) };
    // The last call is for no file.
    if file.is_null() {
        return;
    }
    // SAFETY: the helper takes any file, and gives none but a socket's.
    let socket = unsafe { bpf_sock_from_file(file) };
    if socket.is_null() {
        return;
    }
    let mut address = socket as u64;
    // As in `cgroup`: negated twice, what the verifier takes for a socket is a number.
    // SAFETY: changes no more than the register that it names.
    unsafe { asm!("{0} = -{0}", "{0} = -{0}", inout(reg) address) };
    let Some(sock) = sock::of_socket(address) else {
        return;
    };
    let Some(flow) = sock::wanted_flow(sock).filter(|flow| flow.state != state::CLOSE) else {
        return;
    };
    let mut held = HeldSocket {
        sock,
        netns: flow.netns,
        local: flow.local,
        peer: flow.peer,
        local_port: flow.local_port,
        peer_port: flow.peer_port,
        state: flow.state,
        _pad: [0; 3],
    };
    // SAFETY: the context's own file of records, and a record that is whole. One that finds no
    // room there the kernel asks for again.
    unsafe {
        let record = (&raw mut held).cast();
        bpf_seq_write((*meta).seq, record, size_of::<HeldSocket>() as u32);
    }
}
