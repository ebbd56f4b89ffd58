//! A network namespace of one's own, so that the machine's traffic disturbs no test.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// Puts the calling thread, and what it starts from here on, into a new network namespace
/// whose loopback is up. The namespace ends with the last of them.
pub fn enter_new() {
    // SAFETY: a network namespace is no memory of this process, and threads other than this
    // one keep theirs.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("make a network namespace (as root)");
    loopback_up();
}

/// The calling thread's network namespace, which lives at least as long as this.
pub fn current() -> File {
    File::open("/proc/thread-self/ns/net").expect("open this thread's network namespace")
}

/// Puts the calling thread into a namespace that `current` gave.
pub fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("enter a network namespace");
}

/// Sets one of the calling thread's namespace's own parameters, a path below `/proc/sys/net`.
pub fn set_parameter(path: &str, value: &str) {
    let path = format!("/proc/sys/net/{path}");
    fs::write(&path, value).unwrap_or_else(|err| panic!("write {value} to {path}: {err}"));
}

/// What the kernel has counted in the calling thread's namespace under a name of its MIBs `Tcp`
/// and `TcpExt`.
pub fn kernel_count(name: &str) -> u64 {
    let count = [("snmp", "Tcp: "), ("netstat", "TcpExt: ")].into_iter().find_map(|(file, mib)| {
        let path = format!("/proc/thread-self/net/{file}");
        let table = fs::read_to_string(path).expect("the kernel's counts");
        let mut lines = table.lines().filter_map(|line| line.strip_prefix(mib));
        let names = lines.next().expect("names").split(' ');
        let mut counts = names.zip(lines.next().expect("counts").split(' '));
        let (_, count) = counts.find(|it| it.0 == name)?;
        Some(count.parse().expect("a number"))
    });
    count.unwrap_or_else(|| panic!("no count {name}"))
}

/// Puts the calling thread into a new mount namespace, where what it mounts is its own.
pub fn enter_new_mounts() {
    // SAFETY: only this thread's view of the mounts changes, and its working directory with
    // NEWNS's implied FS sharing ends; no memory is touched.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("make a mount namespace (as root)");
    let flags =
        rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).expect("keep mounts to this namespace");
}

/// Gives loopback all of 10.0.0.0/8 beside 127.0.0.0/8: addresses that resolvers don't take
/// for localhost's. To be called in a namespace of one's own.
pub fn add_ten() {
    let mut request = request("lo:1");
    // SAFETY: an all-zero sockaddr_in is a valid one.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_addr.s_addr = u32::from_ne_bytes([10, 0, 0, 1]);
    // SAFETY: both are plain addresses of one size; the kernel reads this one as sockaddr_in.
    request.ifr_ifru.ifru_addr =
        unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) };
    set(libc::SIOCSIFADDR as _, &request, "give loopback 10.0.0.1/8");
}

fn loopback_up() {
    let mut request = request("lo");
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    set(libc::SIOCSIFFLAGS as _, &request, "bring loopback up");
}

fn request(interface: &str) -> libc::ifreq {
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

fn set(what: libc::c_ulong, request: &libc::ifreq, tried: &str) {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("make a socket");
    // SAFETY: the socket is open and the request is a whole ifreq that names an interface.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), what as _, request) };
    assert_eq!(result, 0, "{tried}: {}", io::Error::last_os_error());
}

/// The number of the calling thread's namespace, as metrics show it.
pub fn number() -> String {
    number_of("thread-self")
}

/// The number of a process' namespace.
pub fn of_process(pid: u32) -> String {
    number_of(&pid.to_string())
}

fn number_of(process: &str) -> String {
    let link = fs::read_link(format!("/proc/{process}/ns/net")).expect("the process' namespace");
    let link = link.to_string_lossy();
    link.trim_start_matches("net:[").trim_end_matches(']').to_owned()
}
