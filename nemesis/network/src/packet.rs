//! What the switch reads in a packet and writes into it: IPv4 and IPv6 with TCP or UDP inside, by offsets, without
//! copies. Any bytes may come in; what is not understood has no destination or no segment, and nothing is done to it.
//!
//! A *frame* is what a TUN device hands over: a `virtio_net_hdr` that says what the kernel has left undone, then the
//! packet.

use std::net::IpAddr;
use std::ops::Range;

use crate::checksum;
use crate::port::{IPV4_PREFIX, IPV6_PREFIX};

/// Bytes of a `virtio_net_hdr`: flags, kind of offload, three lengths and places, in the machine's own byte order.
pub(crate) const FRAME_HEADER_BYTES: usize = 10;

/// The most bytes of an IP packet without the option of jumbograms.
pub(crate) const PACKET_BYTES_MAX: usize = 65_535 + 40;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum covers only the pseudo-header so far.
const NEEDS_CHECKSUM: u8 = 1;

/// `VIRTIO_NET_HDR_GSO_NONE`: this is one packet, not several to be cut.
const NOT_SEVERAL: u8 = 0;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where the checksum is in each header.
const TCP_CHECKSUM_AT: usize = 16;
const UDP_CHECKSUM_AT: usize = 6;

/// Hop-by-hop, routing and destination options: IPv6 headers with a length in units of 8 bytes.
const IPV6_OPTIONS: [u8; 3] = [0, 43, 60];
const IPV6_FRAGMENT: u8 = 44;

/// Flags of a TCP header.
pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// The last byte of the destination, if it is an address of a lab.
pub(crate) fn destination_host(packet: &[u8]) -> Option<u8> {
    match packet.first()? >> 4 {
        4 => host_of(packet.get(16..20)?, &IPV4_PREFIX),
        6 => host_of(packet.get(24..40)?, &IPV6_PREFIX),
        _ => None,
    }
}

fn host_of(address: &[u8], prefix: &[u8]) -> Option<u8> {
    address.strip_prefix(prefix)?.first().copied()
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// The protocol's number, below all options.
    protocol: u8,
    /// Where it is in the packet, without padding behind the packet's own length.
    at: Range<usize>,
    /// It is the second or a later part of something larger, and has no header of its protocol.
    is_continued: bool,
}

/// What the packet carries; `None` for what is no whole IP packet.
pub(crate) fn payload(packet: &[u8]) -> Option<Payload> {
    match packet.first()? >> 4 {
        4 => payload_v4(packet),
        6 => payload_v6(packet),
        _ => None,
    }
}

fn payload_v4(packet: &[u8]) -> Option<Payload> {
    let header = packet.get(..20)?;
    let start = usize::from(header[0] & 0x0f) * 4;
    let end = usize::from(u16_at(header, 2)?);
    let fragment_offset = u16_at(header, 6)? & 0x1fff;
    let whole = start >= 20 && start <= end && end <= packet.len();
    whole.then_some(Payload { protocol: header[9], at: start..end, is_continued: fragment_offset != 0 })
}

fn payload_v6(packet: &[u8]) -> Option<Payload> {
    let end = 40 + usize::from(u16_at(packet, 4)?);
    let packet = packet.get(..end)?;
    let mut payload = Payload { protocol: *packet.get(6)?, at: 40..end, is_continued: false };
    while !payload.is_continued {
        let at = payload.at.start;
        let bytes = match payload.protocol {
            IPV6_FRAGMENT => {
                payload.is_continued = u16_at(packet, at + 2)? & 0xfff8 != 0;
                8
            }
            protocol if IPV6_OPTIONS.contains(&protocol) => (usize::from(*packet.get(at + 1)?) + 1) * 8,
            _ => break,
        };
        payload.protocol = *packet.get(at)?;
        payload.at.start += bytes;
        if payload.at.start > end {
            return None;
        }
    }
    Some(payload)
}

/// The header of a TCP segment, as far as connections are followed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) is_ipv6: bool,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
    /// 0 without ACK.
    pub(crate) acknowledged: u32,
    pub(crate) flags: u8,
    /// Bytes of data. Kernels may hand over several segments as one.
    pub(crate) data_bytes: u32,
}

impl Segment {
    /// The sequence number after this segment; SYN and FIN count as one byte each.
    pub(crate) fn sequence_end(&self) -> u32 {
        let marks = (self.flags & (SYN | FIN)).count_ones();
        self.sequence.wrapping_add(self.data_bytes).wrapping_add(marks)
    }
}

/// The TCP segment in a packet, if there is one.
pub(crate) fn segment(packet: &[u8]) -> Option<Segment> {
    let payload = payload(packet).filter(|payload| payload.protocol == TCP && !payload.is_continued)?;
    let bytes = &packet[payload.at];
    let header_bytes = tcp_header_bytes(bytes)?;
    let flags = bytes[13];
    Some(Segment {
        is_ipv6: packet[0] >> 4 == 6,
        source_port: u16_at(bytes, 0)?,
        destination_port: u16_at(bytes, 2)?,
        sequence: u32_at(bytes, 4)?,
        acknowledged: if flags & ACK == 0 { 0 } else { u32_at(bytes, 8)? },
        flags,
        data_bytes: (bytes.len() - header_bytes) as u32,
    })
}

/// Where the data of a whole TCP header begins.
fn tcp_header_bytes(segment: &[u8]) -> Option<usize> {
    let bytes = usize::from(segment.get(12)? >> 4) * 4;
    (20..=segment.len()).contains(&bytes).then_some(bytes)
}

/// Bytes of a segment without data in IPv6, the longer of the two.
pub(crate) const RESET_BYTES_MAX: usize = 60;

/// A segment with RST, as it would come from the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reset {
    pub(crate) source: (IpAddr, u16),
    pub(crate) destination: (IpAddr, u16),
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
}

impl Reset {
    /// Writes the packet, and returns its length.
    pub(crate) fn write(&self, out: &mut [u8; RESET_BYTES_MAX]) -> usize {
        out.fill(0);
        let start = self.write_ip_header(out);
        let segment = &mut out[start..start + 20];
        segment[0..2].copy_from_slice(&self.source.1.to_be_bytes());
        segment[2..4].copy_from_slice(&self.destination.1.to_be_bytes());
        segment[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        segment[8..12].copy_from_slice(&self.acknowledged.to_be_bytes());
        segment[12] = 5 << 4;
        segment[13] = RST | ACK;
        let pseudo_header = checksum::pseudo_header(self.source.0, self.destination.0, TCP, 20);
        let sum = checksum::finish(pseudo_header + checksum::sum(segment));
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        start + 20
    }

    fn write_ip_header(&self, out: &mut [u8]) -> usize {
        const HOPS_MAX: u8 = 64;
        match (self.source.0, self.destination.0) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                out[0] = 0x45;
                out[3] = 40;
                (out[8], out[9]) = (HOPS_MAX, TCP);
                out[12..16].copy_from_slice(&source.octets());
                out[16..20].copy_from_slice(&destination.octets());
                let sum = checksum::finish(checksum::sum(&out[..20]));
                out[10..12].copy_from_slice(&sum.to_be_bytes());
                20
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                out[0] = 0x60;
                (out[5], out[6], out[7]) = (20, TCP, HOPS_MAX);
                out[8..24].copy_from_slice(&source.octets());
                out[24..40].copy_from_slice(&destination.octets());
                40
            }
            (source, destination) => panic!("both ends of a connection are of one family: {source}, {destination}"),
        }
    }
}

/// Whether the frame stands for several packets, which the receiving kernel is to cut.
pub(crate) fn is_several(frame: &[u8]) -> bool {
    frame[1] != NOT_SEVERAL
}

/// Finishes a checksum that the kernel has left undone. Does nothing to a frame that has none or is malformed.
pub(crate) fn finish_checksum(frame: &mut [u8]) {
    let (header, packet) = frame.split_at_mut(FRAME_HEADER_BYTES);
    if header[0] & NEEDS_CHECKSUM == 0 {
        return;
    }
    let native = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (start, place) = (native(6), native(6) + native(8));
    if place < start || place + 2 > packet.len() {
        return;
    }
    // The field holds the sum of the pseudo-header, so it is covered like the rest.
    let sum = checksum::finish(checksum::sum(&packet[start..]));
    write_checksum(packet, place, sum, native(8) == UDP_CHECKSUM_AT);
    header[0] &= !NEEDS_CHECKSUM;
}

/// UDP writes a checksum of zero in its other form, since zero says that there is none.
fn write_checksum(packet: &mut [u8], place: usize, checksum: u16, is_udp: bool) {
    let checksum = if is_udp && checksum == 0 { 0xffff } else { checksum };
    packet[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// The bits of a packet that may be flipped such that the checksum of TCP or UDP notices, and what is needed to hide
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Bytes of the segment.
    segment: Range<usize>,
    /// Bytes of its data.
    data: Range<usize>,
    /// Where its checksum is, two bytes.
    checksum: usize,
}

impl Target {
    /// Bytes in which a bit can be flipped unnoticed: data of a segment.
    pub(crate) fn hidden_bytes(&self) -> Range<usize> {
        self.data.clone()
    }

    /// Bytes in which a flipped bit makes the kernel drop the packet: all of the segment.
    pub(crate) fn noticed_bytes(&self) -> Range<usize> {
        self.segment.clone()
    }

    /// Flips a bit of [`Self::hidden_bytes`] and makes the checksum right again.
    pub(crate) fn flip_hidden(&self, packet: &mut [u8], at: usize, bit: u8) {
        assert!(self.data.contains(&at), "byte {at} is data");
        let word_at = at - (at - self.segment.start) % 2;
        let word = |packet: &[u8]| {
            let second = if word_at + 1 < self.segment.end { packet[word_at + 1] } else { 0 };
            u16::from_be_bytes([packet[word_at], second])
        };
        let old = word(packet);
        packet[at] ^= 1 << bit;
        let checksum = u16::from_be_bytes([packet[self.checksum], packet[self.checksum + 1]]);
        let is_udp = self.checksum - self.segment.start == UDP_CHECKSUM_AT;
        write_checksum(packet, self.checksum, checksum::updated(checksum, old, word(packet)), is_udp);
    }
}

/// Where bits can be flipped: in a whole TCP or UDP header with its data. `None` where nothing checks them: other
/// protocols, UDP without a checksum, and later parts of a fragmented datagram, whose checksum is elsewhere.
pub(crate) fn target(packet: &[u8]) -> Option<Target> {
    let Payload { protocol, at, is_continued } = payload(packet)?;
    if is_continued {
        return None;
    }
    let segment = &packet[at.clone()];
    let (header_bytes, place) = match protocol {
        TCP => (tcp_header_bytes(segment)?, TCP_CHECKSUM_AT),
        UDP if segment.len() >= 8 && segment[6..8] != [0, 0] => (8, UDP_CHECKSUM_AT),
        _ => return None,
    };
    Some(Target { data: at.start + header_bytes..at.end, checksum: at.start + place, segment: at })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([word[0], word[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests;
