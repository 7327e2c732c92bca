//! The blocks of a pcapng file that the trace needs (draft-ietf-opsawg-pcapng): one section, an interface for each
//! port, packets with their direction and a comment. Encoded into a buffer, in the machine's own byte order, as the
//! format allows.

/// Packets are IPv4 or IPv6 without anything below.
pub(crate) const LINK_TYPE_RAW: u16 = 101;

/// For what has no type of its own (`LINKTYPE_USER0`): notes.
pub(crate) const LINK_TYPE_NOTES: u16 = 147;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const SECTION_LENGTH_UNKNOWN: u64 = u64::MAX;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_INTERFACE_NAME: u16 = 2;
const OPTION_PACKET_FLAGS: u16 = 2;
const OPTION_USER_APPLICATION: u16 = 4;
const OPTION_TIME_RESOLUTION: u16 = 9;

/// Times are in units of 10^-9 s.
const NANOSECONDS: u8 = 9;

/// The most bytes that a packet's block has beside its data and comment, padding included.
pub(crate) const PACKET_OVERHEAD_BYTES_MAX: usize = 60;

/// Which way a packet goes, as seen from the interface that it is recorded at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Its node receives it.
    Inbound,
    /// Its node sends it.
    Outbound,
}

/// A packet as it is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// The number of an interface, in the order in which they were described.
    pub(crate) interface: u32,
    /// Since 1970.
    pub(crate) time_ns: u64,
    /// Maybe shortened.
    pub(crate) data: &'a [u8],
    /// Its length before that.
    pub(crate) original_bytes: u32,
    pub(crate) direction: Option<Direction>,
    pub(crate) comment: &'a str,
}

/// The beginning of a file.
pub(crate) fn section_header(out: &mut Vec<u8>) {
    block(out, SECTION_HEADER, |out| {
        out.extend(BYTE_ORDER.to_ne_bytes());
        out.extend(1u16.to_ne_bytes());
        out.extend(0u16.to_ne_bytes());
        out.extend(SECTION_LENGTH_UNKNOWN.to_ne_bytes());
        option(out, OPTION_USER_APPLICATION, b"dissensus");
        option(out, OPTION_END, &[]);
    });
}

/// The next interface. `packet_bytes_max`: longer packets are shortened.
pub(crate) fn interface(out: &mut Vec<u8>, name: &str, link_type: u16, packet_bytes_max: u32) {
    block(out, INTERFACE_DESCRIPTION, |out| {
        out.extend(link_type.to_ne_bytes());
        out.extend(0u16.to_ne_bytes());
        out.extend(packet_bytes_max.to_ne_bytes());
        option(out, OPTION_INTERFACE_NAME, name.as_bytes());
        option(out, OPTION_TIME_RESOLUTION, &[NANOSECONDS]);
        option(out, OPTION_END, &[]);
    });
}

/// A packet.
pub(crate) fn packet(out: &mut Vec<u8>, packet: &Packet) {
    block(out, ENHANCED_PACKET, |out| {
        out.extend(packet.interface.to_ne_bytes());
        out.extend(((packet.time_ns >> 32) as u32).to_ne_bytes());
        out.extend((packet.time_ns as u32).to_ne_bytes());
        out.extend((packet.data.len() as u32).to_ne_bytes());
        out.extend(packet.original_bytes.to_ne_bytes());
        padded(out, packet.data);
        if let Some(direction) = packet.direction {
            let flags = match direction {
                Direction::Inbound => 1u32,
                Direction::Outbound => 2,
            };
            option(out, OPTION_PACKET_FLAGS, &flags.to_ne_bytes());
        }
        if !packet.comment.is_empty() {
            option(out, OPTION_COMMENT, packet.comment.as_bytes());
        }
        option(out, OPTION_END, &[]);
    });
}

/// Type, length, body, and the length again.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_ne_bytes());
    out.extend([0; 4]);
    body(out);
    let length = (out.len() - start + 4) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_ne_bytes());
    out.extend(length.to_ne_bytes());
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("names and comments are short");
    out.extend(code.to_ne_bytes());
    out.extend(length.to_ne_bytes());
    padded(out, value);
}

fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 3][..bytes.len().next_multiple_of(4) - bytes.len()]);
}

#[cfg(test)]
mod tests {
    use pcap_parser::{Block, PcapNGCapture, PcapNGOption, parse_pcapng};

    use super::*;

    fn comment<'a>(options: &'a [PcapNGOption]) -> Option<&'a [u8]> {
        options.iter().find(|option| option.code.0 == OPTION_COMMENT).and_then(|option| option.as_bytes().ok())
    }

    /// Read by another implementation of the format.
    #[test]
    fn another_reader_reads_what_was_written() {
        let mut out = Vec::new();
        section_header(&mut out);
        interface(&mut out, "n1", LINK_TYPE_RAW, 96);
        let time_ns = 1_700_000_000_123_456_789;
        for bytes in 0..6 {
            let data = &[0x45; 6][..bytes];
            let (direction, comment) = (Some(Direction::Outbound), if bytes == 5 { "lost" } else { "" });
            packet(&mut out, &Packet { interface: 0, time_ns, data, original_bytes: 1500, direction, comment });
        }
        let (rest, PcapNGCapture { sections }) = parse_pcapng(&out).expect("it is pcapng");
        assert!(rest.is_empty());
        let blocks = &sections[0].blocks;
        let Block::InterfaceDescription(interface) = &blocks[1] else { panic!("{:?}", blocks[1]) };
        assert_eq!((interface.linktype.0, interface.snaplen, interface.if_tsresol), (101, 96, 9));
        for (block, bytes) in blocks[2..].iter().zip(0..) {
            let Block::EnhancedPacket(packet) = block else { panic!("{block:?}") };
            assert_eq!((packet.caplen, packet.origlen, packet.if_id), (bytes, 1500, 0));
            assert_eq!((u64::from(packet.ts_high) << 32) + u64::from(packet.ts_low), time_ns);
            assert_eq!(packet.data[..bytes as usize], [0x45; 6][..bytes as usize]);
            assert_eq!(comment(&packet.options), (bytes == 5).then_some(&b"lost"[..]));
        }
        assert_eq!(blocks.len(), 8);
    }
}
