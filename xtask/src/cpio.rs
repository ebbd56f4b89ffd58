//! Writes a cpio archive in the kernel's own form, "newc".
//!
//! Sixty lines instead of a crate or of the program `cpio`, which few machines have; and
//! only here may a device node be packed without being root.
//! <https://github.com/torvalds/linux/blob/v6.12/Documentation/driver-api/early-userspace/buffer-format.rst>

/// An archive in the making.
#[derive(Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    inodes: u32,
}

impl Cpio {
    /// Adds a folder. Its parents must come first.
    pub(crate) fn folder(&mut self, path: &str) {
        self.entry(path, 0o040_755, (0, 0), &[]);
    }

    /// Adds an executable file.
    pub(crate) fn program(&mut self, path: &str, content: &[u8]) {
        self.entry(path, 0o100_755, (0, 0), content);
    }

    /// Adds a plain file.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, 0o100_644, (0, 0), content);
    }

    /// Adds a character device.
    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, 0o020_600, (major, minor), &[]);
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        // Files with the same inode number would be links to each other.
        self.inodes += 1;
        let size = u32::try_from(content.len()).expect("a guest's files are smaller than 4 GB");
        let name_size = u32::try_from(path.len() + 1).expect("a path is short");
        let (uid, gid, links, time, check) = (0, 0, 1, 0, 0);
        let (major, minor) = (0, 0);
        self.bytes.extend(b"070701");
        for field in [
            self.inodes,
            mode,
            uid,
            gid,
            links,
            time,
            size,
            major,
            minor,
            device.0,
            device.1,
            name_size,
            check,
        ] {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_header_of_hex_fields_name_and_content() {
        let mut cpio = Cpio::default();
        cpio.program("init", b"hello");
        let expected = "070701\
            00000001000081ed0000000000000000000000010000000000000005\
            000000000000000000000000000000000000000500000000\
            init\0\0hello\0\0\0";
        assert_eq!(String::from_utf8(cpio.bytes).unwrap(), expected);
    }

    #[test]
    fn every_part_begins_at_a_multiple_of_four() {
        for length in 0..9 {
            let mut cpio = Cpio::default();
            cpio.file(&"x".repeat(length), &vec![b'y'; length]);
            assert_eq!(cpio.bytes.len() % 4, 0, "{length}");
            assert!(cpio.finish().ends_with(b"TRAILER!!!\0\0\0\0"));
        }
    }

    #[test]
    fn a_device_keeps_its_numbers() {
        let mut cpio = Cpio::default();
        cpio.device("dev/console", 5, 1);
        assert_eq!(&cpio.bytes[78..94], b"0000000500000001");
    }
}
