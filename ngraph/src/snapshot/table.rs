//! One of the kernel's TCP tables as text: the lines that make sense, and how many don't.

use std::io::{self, BufRead, Read as _};

use procfs::{
    FromBufReadSI as _, current_system_info,
    net::{TcpNetEntries, TcpNetEntry},
};

/// More than any line of the kernel's, which pads them to 150 bytes and lets few grow.
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_ipv4.c>
const MAX_LINE: u64 = 512;

/// With so many lines of nonsense it's no TCP table, and may have no end.
const MAX_NONSENSE: u64 = 1_000;

/// What a table says.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Its lines, but the head.
    pub(super) entries: Vec<TcpNetEntry>,
    /// Lines that make no sense. For one of these, the procfs crate gives none of the others.
    pub(super) nonsense: u64,
}

impl Table {
    /// Reads a table; memory is spent on lines that make sense alone.
    ///
    /// # Errors
    /// If reading fails, or what is read is no TCP table.
    pub(super) fn read(mut text: impl BufRead) -> io::Result<Self> {
        let mut table = Self::default();
        // The parser takes the first line for the head: an empty one, for each line.
        let mut line = vec![b'\n'];
        let mut is_head = true;
        loop {
            line.truncate(1);
            if (&mut text).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(table);
            }
            match TcpNetEntries::from_buf_read(line.as_slice(), current_system_info()) {
                Ok(TcpNetEntries(entry)) => table.entries.extend(entry),
                Err(_) if is_head => {}
                Err(_) => table.nonsense += 1,
            }
            is_head = false;
            if table.nonsense > MAX_NONSENSE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no TCP table"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::BufReader};

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const LINE: &str = "   0: 0100007F:0016 0200007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100 0 0 10 0\n";

    #[test]
    fn a_line_of_nonsense_costs_no_other() {
        for bad in [
            "\n",
            "nonsense\n",
            "   1: 0100007F:0016\n",
            "   1: 0100007F:0016 0200007F:1F90 01\n",
            "   1: 0100007F 0200007F:1F90 01 0:0 0:0 0 0 0 1\n",
            "   1: 010000ZZ:0016 0200007F:1F90 01 0:0 0:0 0 0 0 1\n",
            "   1: éééé:0016 0200007F:1F90 01 0:0 0:0 0 0 0 1\n",
            "   1: 0100007F:10016 0200007F:1F90 01 0:0 0:0 0 0 0 1\n",
            "   1: 0100007F:0016 0200007F:1F90 FF 0:0 0:0 0 0 0 1\n",
            "   1: 0100007F:0016 0200007F:1F90 01 0:0 0:0 0 0 0 -1\n",
            "   1: 0100007F:0016 0200007F:1F90 01 0:0 0:0 0 0 0 99999999999999999999\n",
        ] {
            let table = read(format!("{HEAD}{LINE}{bad}{LINE}").as_bytes()).unwrap();
            assert_eq!((table.entries.len(), table.nonsense), (2, 1), "{bad:?}");
        }
        let bytes = [HEAD.as_bytes(), LINE.as_bytes(), b"\xff\xfe\0\n", LINE.as_bytes()].concat();
        let table = read(&bytes).unwrap();
        assert_eq!((table.entries.len(), table.nonsense), (2, 1));
    }

    #[test]
    fn a_table_is_read_without_its_head_or_its_last_newline() {
        for text in [format!("{LINE}{LINE}"), format!("{HEAD}{LINE}{LINE}")] {
            let table = read(text.trim_end().as_bytes()).unwrap();
            assert_eq!((table.entries.len(), table.nonsense), (2, 0), "{text}");
        }
        assert_eq!(read(HEAD.as_bytes()).unwrap().entries.len(), 0);
        assert_eq!(read(b"").unwrap().entries.len(), 0);
    }

    #[test]
    fn what_has_no_line_and_no_end_is_no_table() {
        let endless = BufReader::new(fs::File::open("/dev/zero").unwrap());
        let err = Table::read(endless).unwrap_err();
        assert_eq!(err.to_string(), "this is no TCP table");
    }

    #[test]
    fn a_table_cut_anywhere_panics_nowhere() {
        let text = format!("{HEAD}{LINE}{LINE}");
        for end in 0..text.len() {
            let table = read(&text.as_bytes()[..end]).unwrap();
            assert!(table.entries.len() <= 2 && table.nonsense <= 1, "{end}: {table:?}");
        }
    }

    fn read(text: &[u8]) -> io::Result<Table> {
        Table::read(text)
    }
}
