//! Bytes as the kernel's BTF.

use ngraph::kernel::offsets::Offsets;

pub fn run(bytes: &[u8]) {
    if let Ok(found) = Offsets::from_btf(bytes) {
        let Offsets { net_inum, sk_protocol, sk_err, inet_sport, .. } = found;
        for offset in [net_inum, sk_protocol, sk_err, inet_sport] {
            // Members are told in bits, 32 of them.
            assert!(offset < 1 << 29, "{found:?}");
        }
    }
}
