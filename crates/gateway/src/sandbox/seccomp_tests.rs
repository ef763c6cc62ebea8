//! The program is run by a machine of a few lines, on the very bytes that the kernel gets.

use super::*;

const X86_64: u32 = 0xc000_003e;
const AARCH64: u32 = 0xc000_00b7;

/// What the kernel would answer: the action and its number.
fn answer(program: &[u8], arch: u32, call: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(call.to_le_bytes());
    data.extend(arch.to_le_bytes());
    data.extend(0_u64.to_le_bytes());
    args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
    let (mut at, mut acc) = (0_usize, 0_u32);
    loop {
        let step: [u8; 8] = program[at * 8..at * 8 + 8].try_into().unwrap();
        let code = u16::from_ne_bytes([step[0], step[1]]);
        let (jt, jf, k) = (step[2], step[3], u32::from_ne_bytes([step[4], step[5], step[6], step[7]]));
        at += 1;
        let jump = |yes: bool| usize::from(if yes { jt } else { jf });
        match code {
            0x20 => acc = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
            0x54 => acc &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(acc == k),
            0x25 => at += jump(acc > k),
            0x35 => at += jump(acc >= k),
            0x06 => return k,
            other => panic!("step {other:#x}"),
        }
    }
}

fn own_arch() -> u32 {
    if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 }
}

fn refused(filter: Filter, call: libc::c_long, args: [u64; 6]) -> bool {
    let program = bytes(&program(filter).expect("a program"));
    match answer(&program, own_arch(), u32::try_from(call).unwrap(), args) {
        0x7fff_0000 => false,
        0x0005_0001 => true,
        other => panic!("{other:#x}"),
    }
}

const CLOSED: Filter = Filter { network: false, signals_held: true, ipc_held: true };
const OPEN: Filter = Filter { network: true, ..CLOSED };

#[test]
fn sockets_by_kind() {
    let (unix, inet, inet6, netlink, packet) = (1, 2, 10, 16, 17);
    let (stream, datagram, raw, sequence) = (1, 2, 3, 5);
    let flags = 0o2_004_000; // close-on-exec, non-blocking
    let cases = [
        (inet, stream, 0, false),
        (inet6, stream | flags, 6, false),
        (inet, datagram, 17, false),
        (netlink, raw | flags, 0, false),
        (netlink, raw, 9, true),
        (unix, stream, 0, true),
        (unix, datagram, 0, true),
        (inet, raw, 1, true),
        (inet, raw | flags, 255, true),
        (inet6, sequence, 132, true),
        (inet, 10, 0, true),
        (packet, raw, 3, true),
        (packet, datagram, 3, true),
        (40, stream, 0, true),
        (38, sequence, 0, true),
    ];
    for (family, kind, protocol, expected) in cases {
        // The upper half of a register is not what the kernel looks at.
        for noise in [0, 0xffff_ffff_0000_0000] {
            let args = [family | noise, kind | noise, protocol | noise, 0, 0, 0];
            assert_eq!(refused(OPEN, libc::SYS_socket, args), expected, "{family} {kind} {protocol}");
            assert!(refused(CLOSED, libc::SYS_socket, args), "{family} {kind} {protocol}");
        }
    }
    for (kind, expected) in
        [(stream, false), (stream | flags, false), (sequence, false), (datagram, true), (raw | flags, true)]
    {
        assert_eq!(refused(CLOSED, libc::SYS_socketpair, [unix, kind, 0, 0, 0, 0]), expected, "{kind}");
    }
}

#[test]
fn what_goes_round_the_walls_is_refused() {
    for call in REFUSED {
        assert!(refused(OPEN, *call, [0; 6]), "{call}");
    }
    for (flags, expected) in
        [(17, false), (0x0100_0000 | 17, false), (0x1000_0000, true), (0x2000_0000, true), (0x80, true)]
    {
        assert_eq!(refused(OPEN, libc::SYS_clone, [flags, 0, 0, 0, 0, 0]), expected, "{flags:#x}");
    }
    for (request, expected) in [(0x5401, false), (0x5412, true), (0xffff_ffff_0000_5412, true), (0x541c, true)] {
        assert_eq!(refused(OPEN, libc::SYS_ioctl, [0, request, 0, 0, 0, 0]), expected, "{request:#x}");
    }
    for call in [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_futex, libc::SYS_kill, libc::SYS_connect]
    {
        assert!(!refused(CLOSED, call, [1; 6]), "{call}");
    }
}

#[test]
fn what_no_namespace_holds_the_filter_holds() {
    let bare = Filter { network: false, signals_held: false, ipc_held: false };
    for call in SIGNALS.iter().chain(IPC) {
        assert!(refused(bare, *call, [0; 6]) && !refused(CLOSED, *call, [0; 6]), "{call}");
    }
    for (pid, signal, expected) in [(0, 15, false), (77, 0, false), (77, 9, true), (u64::MAX, 9, true)] {
        assert_eq!(refused(bare, libc::SYS_kill, [pid, signal, 0, 0, 0, 0]), expected, "{pid} {signal}");
    }
    // A signal to the owner of a descriptor, whoever that is.
    let owners = [(libc::SYS_fcntl, 8), (libc::SYS_fcntl, 15), (libc::SYS_ioctl, 0x8901), (libc::SYS_ioctl, 0x8902)];
    for (call, request) in owners {
        let args = [3, request, 77, 0, 0, 0];
        assert!(refused(bare, call, args) && !refused(CLOSED, call, args), "{call} {request:#x}");
    }
    assert!(!refused(bare, libc::SYS_fcntl, [3, 2, 1, 0, 0, 0]), "close-on-exec");
}

#[test]
fn other_numbers_for_the_same_calls_lead_nowhere() {
    let program = bytes(&program(OPEN).expect("a program"));
    let no_such_call = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap();
    assert_eq!(answer(&program, own_arch(), clone3, [0; 6]), no_such_call);
    for call in [0x4000_0000, 0x4000_0029, 0x4000_0065, u32::MAX] {
        assert_eq!(answer(&program, own_arch(), call, [0; 6]), no_such_call, "{call:#x}");
    }
    // The 32-bit ABI has other numbers: the whole process ends.
    assert_eq!(answer(&program, 0x4000_0003, 359, [1, 1, 0, 0, 0, 0]), 0x8000_0000);
}
