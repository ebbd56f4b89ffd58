//! Another BPF program on the machine, as other agents have: loaded by bare system calls,
//! since nothing but `ngraph/src/kernel` speaks to aya.

use std::{
    ffi::CString,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::stay_on;

/// Counts the calls of a kernel function, as far as the kernel runs a kprobe's program.
pub struct Counter {
    map: OwnedFd,
    _probe: Probe,
}

impl Counter {
    /// Attaches to `function`.
    pub fn on(function: &str) -> Self {
        let map = array(8);
        let program = [
            &load_map_value(1, &map)[..],
            &[
                insn(MOV_IMM, 2, 0, 0, 1),    // r2 = 1
                insn(ATOMIC_ADD, 1, 2, 0, 0), // *r1 += r2
                insn(MOV_IMM, 0, 0, 0, 0),    // r0 = 0
                insn(EXIT, 0, 0, 0, 0),       // return r0
            ],
        ]
        .concat();
        Self { map, _probe: Probe::attach(function, &program) }
    }

    /// Calls seen until now.
    pub fn count(&self) -> u64 {
        let (key, mut value) = (0_u32, 0_u64);
        let map = self.map.as_raw_fd() as u64;
        // The map, the addresses of the key and of the room for the value, no flags.
        let attr = [map, &raw const key as u64, &raw mut value as u64, 0];
        // SAFETY: key and value are of the map's sizes and live until the call is over.
        unsafe { bpf(MAP_LOOKUP_ELEM, &attr) }.expect("read the counter's map");
        value
    }
}

/// Has the kernel keep the runs of all programs until what this gives is dropped.
pub fn keep_run_times() -> OwnedFd {
    // SAFETY: the attribute is a number, of what is kept.
    owned(unsafe { bpf(ENABLE_STATS, &[STATS_RUN_TIME]) }.expect("keep run times"))
}

/// Takes off every program that sockets of some control group call, as any tool may.
pub fn detach_socket_ops() {
    let mut last = 0;
    while let Some(id) = next_link(last) {
        last = id;
        // SAFETY: the attribute is a number.
        let link = owned(unsafe { bpf(LINK_GET_FD_BY_ID, &[id]) }.expect("open a link"));
        let fd = link.as_raw_fd() as u64;
        // Its type and id, its program's id, the control group's id, how it's attached.
        let mut info = [0_u64; 4];
        let attr = [fd | (size_of_val(&info) as u64) << 32, info.as_mut_ptr() as u64];
        // SAFETY: info is of the size told and lives until the call is over.
        unsafe { bpf(OBJ_GET_INFO_BY_FD, &attr) }.expect("look at a link");
        if info[0] as u32 == LINK_TYPE_CGROUP && info[3] as u32 == CGROUP_SOCK_OPS {
            // SAFETY: the attribute is a number.
            unsafe { bpf(LINK_DETACH, &[fd]) }.expect("detach a link");
        }
    }
}

/// The id of the link behind this one; none: there are no more.
fn next_link(id: u64) -> Option<u64> {
    let mut attr = [id, 0];
    let (room, size) = (attr.as_mut_ptr(), size_of_val(&attr));
    // SAFETY: the kernel reads and writes `attr`, of the size told, and nothing else.
    match checked(unsafe { libc::syscall(libc::SYS_bpf, LINK_GET_NEXT_ID, room, size) }) {
        // Behind the id asked for, half a word wide each.
        Ok(_) => Some(attr[0] >> 32),
        Err(err) if err.kind() == io::ErrorKind::NotFound => None,
        Err(err) => panic!("look for links: {err}"),
    }
}

/// Holds the first processor: a thread there that is nearly always within a BPF program, where
/// interrupts reach it and tasks don't.
pub struct Hog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the hog's program copies, and how often. A run takes far longer than what is between
/// two, and not so long that the kernel leaves interrupts' work to a task.
const COPIED: i32 = 1 << 17;
const COPIES: i32 = 16;

impl Hog {
    /// Starts it.
    pub fn start() -> Self {
        let map = array(COPIED as u32);
        let copy = [
            &load_map_value(1, &map)[..], // r1 = the map's value
            &[
                insn(MOV_IMM, 2, 0, 0, COPIED),         // r2 = its size
                insn(MOV_REG, 3, 1, 0, 0),              // r3 = r1
                insn(CALL, 0, 0, 0, PROBE_READ_KERNEL), // copy r2 bytes at r3 to r1
                insn(ADD_IMM, 6, 0, 0, -1),             // r6 -= 1
            ],
        ]
        .concat();
        let back = -(copy.len() as i16) - 1;
        let program = [
            &[insn(MOV_IMM, 6, 0, 0, COPIES)][..], // r6 = COPIES, which calls leave alone
            &copy,
            &[
                insn(JUMP_NOT_IMM, 6, 0, back, 0), // if r6 != 0, copy again
                insn(MOV_IMM, 0, 0, 0, 0),         // r0 = 0
                insn(EXIT, 0, 0, 0, 0),            // return r0
            ],
        ]
        .concat();
        let probe = Probe::attach("__x64_sys_getppid", &program);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let run = move || {
            stay_on_first_processor();
            while !told.load(Ordering::Relaxed) {
                // getppid, of which nobody keeps the answer.
                let _ = std::os::unix::process::parent_id();
            }
            drop(probe);
        };
        Self { stop, thread: Some(thread::spawn(run)) }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            eprintln!("the hog failed: {panic:?}");
        }
    }
}

/// Keeps the calling thread on the first processor: timers that it starts run there.
pub fn stay_on_first_processor() {
    stay_on(0);
}

/// A program that runs at the entry of a kernel function until this is dropped.
struct Probe {
    _event: OwnedFd,
}

impl Probe {
    fn attach(function: &str, program: &[u64]) -> Self {
        let license = c"GPL"; // reading kernel memory asks for it
        let mut log = vec![0_u8; 1 << 16];
        // The type, how many instructions, where, the license, the log's level, size, place.
        let attr = [
            PROG_TYPE_KPROBE | (program.len() as u64) << 32,
            program.as_ptr() as u64,
            license.as_ptr() as u64,
            1 | (log.len() as u64) << 32,
            log.as_mut_ptr() as u64,
            0,
        ];
        // SAFETY: program, license and log are of the sizes told and outlive the call.
        let program = unsafe { bpf(PROG_LOAD, &attr) }
            .unwrap_or_else(|err| panic!("load a program: {err}\n{}", text(&log)));
        let program = owned(program);

        let kind = fs::read_to_string("/sys/bus/event_source/devices/kprobe/type");
        let kind: u64 = kind.expect("kprobes").trim().parse().expect("a number");
        let function = CString::new(function).expect("a function's name");
        let mut attr = [0_u64; 9];
        attr[0] = kind | (size_of_val(&attr) as u64) << 32;
        attr[7] = function.as_ptr() as u64; // kprobe_func; attr[8], the offset in it, is 0
        // SAFETY: attr is a whole perf_event_attr of the size it tells (its first version
        // with two addresses), and the name lives until the call is over. Any task (-1) of
        // the first processor (0), in no group: with a program it counts for all processors.
        let event = unsafe {
            libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), -1, 0, -1, FLAG_FD_CLOEXEC)
        };
        let event = checked(event).unwrap_or_else(|err| panic!("kprobe on {function:?}: {err}"));
        let event = owned(event);
        for (what, with) in [(IOC_SET_BPF, program.as_raw_fd()), (IOC_ENABLE, 0)] {
            // SAFETY: the event is open; both requests take a number and touch no memory.
            let done = unsafe { libc::ioctl(event.as_raw_fd(), what, with) };
            assert_eq!(done, 0, "attach to {function:?}: {}", io::Error::last_os_error());
        }
        Self { _event: event }
    }
}

/// A map with one value of `size` bytes.
fn array(size: u32) -> OwnedFd {
    // Linux before 5.11 takes maps for locked memory.
    let limit = Rlimit { current: None, maximum: None };
    let _ = setrlimit(Resource::Memlock, limit);
    // The type and the key's size, the value's size and how many, no flags.
    let attr = [MAP_TYPE_ARRAY | 4 << 32, u64::from(size) | 1 << 32, 0];
    // SAFETY: making a map reads nothing but the attributes.
    owned(unsafe { bpf(MAP_CREATE, &attr) }.expect("make a map"))
}

/// `r = the address of the map's value`, which takes the room of two instructions.
fn load_map_value(register: u8, map: &OwnedFd) -> [u64; 2] {
    const MAP_VALUE: u8 = 2;
    [insn(LOAD_64, register, MAP_VALUE, 0, map.as_raw_fd()), insn(0, 0, 0, 0, 0)]
}

/// An instruction: eight bits of code, four each of two registers, a jump, a number.
/// <https://github.com/torvalds/linux/blob/v6.12/Documentation/bpf/standardization/instruction-set.rst>
const fn insn(code: u8, to: u8, from: u8, jump: i16, number: i32) -> u64 {
    let registers = (from << 4 | to) as u64;
    code as u64 | registers << 8 | (jump as u16 as u64) << 16 | (number as u32 as u64) << 32
}

const LOAD_64: u8 = 0x18;
const MOV_IMM: u8 = 0xb7;
const MOV_REG: u8 = 0xbf;
const ADD_IMM: u8 = 0x07;
const ATOMIC_ADD: u8 = 0xdb;
const JUMP_NOT_IMM: u8 = 0x55;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h>
const PROBE_READ_KERNEL: i32 = 113;
const MAP_CREATE: i32 = 0;
const MAP_LOOKUP_ELEM: i32 = 1;
const PROG_LOAD: i32 = 5;
const ENABLE_STATS: i32 = 32;
const STATS_RUN_TIME: u64 = 0;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const LINK_GET_FD_BY_ID: i32 = 30;
const LINK_GET_NEXT_ID: i32 = 31;
const LINK_DETACH: i32 = 34;
const LINK_TYPE_CGROUP: u32 = 3;
const CGROUP_SOCK_OPS: u32 = 3;
const MAP_TYPE_ARRAY: u64 = 2;
const PROG_TYPE_KPROBE: u64 = 2;

/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/perf_event.h>
const FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const IOC_ENABLE: libc::Ioctl = 0x2400;
const IOC_SET_BPF: libc::Ioctl = 0x4004_2408;

/// The system call bpf(2).
///
/// # Safety
/// What `attr` points to must suit `command` and live until the call is over.
unsafe fn bpf(command: i32, attr: &[u64]) -> io::Result<i32> {
    // SAFETY: attr is as long as told, and the caller vouches for what it points to.
    checked(unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of_val(attr)) })
}

fn checked(given: libc::c_long) -> io::Result<i32> {
    if given < 0 { Err(io::Error::last_os_error()) } else { Ok(given as i32) }
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: only what the kernel gave to us just now comes here.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn text(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}
