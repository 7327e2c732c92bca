//! The reading and writing of packets against another implementation of the protocols, and on any bytes.

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;
use crate::port::Port;

const SENDER: Port = Port::Node(1);
const RECEIVER: Port = Port::Node(2);

/// A packet of each kind with this data, with right checksums, made by the other implementation.
fn packets(data: &[u8]) -> Vec<Vec<u8>> {
    let v4 = || PacketBuilder::ipv4(SENDER.ipv4().octets(), RECEIVER.ipv4().octets(), 64);
    let v6 = || PacketBuilder::ipv6(SENDER.ipv6().octets(), RECEIVER.ipv6().octets(), 64);
    let mut packets = vec![vec![]; 4];
    let written = [
        v4().tcp(1234, 80, 77, 500).ack(99).psh().write(&mut packets[0], data),
        v4().udp(1234, 80).write(&mut packets[1], data),
        v6().tcp(1234, 80, 77, 500).ack(99).psh().write(&mut packets[2], data),
        v6().udp(1234, 80).write(&mut packets[3], data),
    ];
    written.into_iter().for_each(|result| result.expect("it can be written"));
    packets
}

/// Whether the checksum is right, and the data, as the other implementation reads them.
fn read_by_other(packet: &[u8]) -> (bool, Vec<u8>) {
    let sliced = SlicedPacket::from_ip(packet).expect("it is a packet");
    let (net, transport) = (sliced.net.expect("it is IP"), sliced.transport.expect("it is TCP or UDP"));
    let computed = match (&net, &transport) {
        (etherparse::NetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) => {
            let header = ip.header();
            (tcp.calc_checksum_ipv4(header.source(), header.destination()).ok(), tcp.checksum())
        }
        (etherparse::NetSlice::Ipv6(ip), TransportSlice::Tcp(tcp)) => {
            let header = ip.header();
            (tcp.calc_checksum_ipv6(header.source(), header.destination()).ok(), tcp.checksum())
        }
        (etherparse::NetSlice::Ipv4(ip), TransportSlice::Udp(udp)) => {
            let header = ip.header();
            let computed = udp.to_header().calc_checksum_ipv4_raw(header.source(), header.destination(), udp.payload());
            (computed.ok(), udp.checksum())
        }
        (etherparse::NetSlice::Ipv6(ip), TransportSlice::Udp(udp)) => {
            let header = ip.header();
            let computed = udp.to_header().calc_checksum_ipv6_raw(header.source(), header.destination(), udp.payload());
            (computed.ok(), udp.checksum())
        }
        other => panic!("neither TCP nor UDP: {other:?}"),
    };
    let data = match transport {
        TransportSlice::Tcp(tcp) => tcp.payload().to_vec(),
        TransportSlice::Udp(udp) => udp.payload().to_vec(),
        other => panic!("neither TCP nor UDP: {other:?}"),
    };
    (computed.0 == Some(computed.1), data)
}

#[test]
fn a_segment_is_read_as_it_was_written() {
    for packet in [&packets(b"hello")[0], &packets(b"hello")[2]] {
        let segment = segment(packet).expect("it is TCP");
        assert_eq!((segment.source_port, segment.destination_port), (1234, 80));
        assert_eq!((segment.sequence, segment.acknowledged, segment.data_bytes), (77, 99, 5));
        assert_eq!((segment.sequence_end(), segment.is_ipv6), (82, packet[0] >> 4 == 6));
    }
    assert_eq!(segment(&packets(b"hello")[1]), None, "UDP has no segments");
}

#[test]
fn the_destination_is_the_last_byte_of_a_labs_address() {
    for packet in packets(b"x") {
        assert_eq!(destination_host(&packet), Some(2));
    }
    let mut foreign = packets(b"x").remove(0);
    foreign[18] = 1;
    assert_eq!(destination_host(&foreign), None);
    let mut link_local = packets(b"x").remove(2);
    link_local[24..26].copy_from_slice(&[0xfe, 0x80]);
    assert_eq!(destination_host(&link_local), None);
}

#[test]
fn options_of_ipv6_are_passed_over() {
    let plain = packets(b"hello").remove(2);
    let mut packet = plain[..40].to_vec();
    packet[6] = 0; // Hop by hop, then a routing header of 16 bytes, then a fragment's, then TCP.
    packet.extend([43, 0, 1, 4, 0, 0, 0, 0]);
    packet.extend([44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend([6, 0, 0, 1, 0, 0, 0, 9]);
    packet.extend(&plain[40..]);
    let bytes = (packet.len() - 40) as u16;
    packet[4..6].copy_from_slice(&bytes.to_be_bytes());
    assert_eq!(segment(&packet).map(|segment| segment.sequence), Some(77));
    packet[40 + 8 + 16 + 3] = 9; // The second fragment.
    assert_eq!((segment(&packet), target(&packet)), (None, None));
}

#[test]
fn later_fragments_have_no_header() {
    let mut packet = packets(b"hello").remove(1);
    assert!(target(&packet).is_some());
    packet[7] = 1;
    assert_eq!(target(&packet), None);
}

#[test]
fn a_reset_is_a_segment_for_the_other_implementation() {
    let ends = [(SENDER.ipv4().into(), RECEIVER.ipv4().into()), (SENDER.ipv6().into(), RECEIVER.ipv6().into())];
    for (source, destination) in ends {
        let reset = Reset { source: (source, 5), destination: (destination, 6), sequence: 7, acknowledged: 8 };
        let mut out = [0xff; RESET_BYTES_MAX];
        let bytes = reset.write(&mut out);
        assert_eq!(read_by_other(&out[..bytes]), (true, vec![]));
        let sliced = SlicedPacket::from_ip(&out[..bytes]).expect("it is a packet");
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("{sliced:?}") };
        assert!(tcp.rst() && tcp.ack() && !tcp.syn());
        assert_eq!((tcp.source_port(), tcp.destination_port()), (5, 6));
        assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (7, 8));
        if let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
        }
    }
}

/// Every checksum that there is: zero has two forms, of which UDP writes the one and TCP the other. TCP's was the wrong
/// one when a flip made its checksum zero.
#[test]
fn regression_a_checksum_of_zero_has_the_form_of_its_protocol() {
    for word in 0..=u16::MAX {
        for mut packet in packets(&word.to_be_bytes()) {
            let target = target(&packet).expect("it has a checksum");
            let place = target.hidden_bytes().start;
            target.flip_hidden(&mut packet, place, 7);
            assert!(read_by_other(&packet).0, "{packet:?}");
        }
    }
}

/// As the kernel leaves it: the field of the checksum holds the sum of the pseudo-header, and the header says where.
fn unfinished(packet: &[u8]) -> Vec<u8> {
    let payload = payload(packet).expect("it is IP");
    let place = if payload.protocol == TCP { 16 } else { 6 };
    let addresses = match packet[0] >> 4 {
        4 => (SENDER.ipv4().into(), RECEIVER.ipv4().into()),
        _ => (SENDER.ipv6().into(), RECEIVER.ipv6().into()),
    };
    let sum = !checksum::finish(checksum::pseudo_header(addresses.0, addresses.1, payload.protocol, payload.at.len()));
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    frame[0] = NEEDS_CHECKSUM;
    frame[6..8].copy_from_slice(&(payload.at.start as u16).to_ne_bytes());
    frame[8..10].copy_from_slice(&(place as u16).to_ne_bytes());
    frame.extend(packet);
    let at = FRAME_HEADER_BYTES + payload.at.start + place;
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    frame
}

proptest! {
    #[test]
    fn a_hidden_flip_is_believed_by_the_other_implementation(
        data in prop::collection::vec(any::<u8>(), 1..100), place: prop::sample::Index, bit in 0u8..8,
    ) {
        for mut packet in packets(&data) {
            let target = target(&packet).expect("it has a checksum");
            let bytes = target.hidden_bytes();
            prop_assert_eq!(&packet[bytes.clone()], &data[..]);
            let place = place.index(data.len());
            target.flip_hidden(&mut packet, bytes.start + place, bit);
            let mut expected = data.clone();
            expected[place] ^= 1 << bit;
            prop_assert_eq!(read_by_other(&packet), (true, expected));
        }
    }

    #[test]
    fn a_flip_that_is_left_is_noticed(
        data in prop::collection::vec(any::<u8>(), 1..100), place: prop::sample::Index, bit in 0u8..8,
    ) {
        for packet in packets(&data) {
            let bytes = target(&packet).expect("it has a checksum").hidden_bytes();
            let mut packet = packet.clone();
            packet[bytes.start + place.index(bytes.len())] ^= 1 << bit;
            prop_assert!(!read_by_other(&packet).0);
        }
    }

    #[test]
    fn a_checksum_that_the_kernel_left_is_finished(data in prop::collection::vec(any::<u8>(), 0..100)) {
        for packet in packets(&data) {
            let mut frame = unfinished(&packet);
            finish_checksum(&mut frame);
            prop_assert_eq!(frame[0], 0);
            prop_assert_eq!(read_by_other(&frame[FRAME_HEADER_BYTES..]), (true, data.clone()));
        }
    }

    /// Nothing that a program can send ends the switch.
    #[test]
    fn any_bytes_are_read_without_a_panic(mut frame in prop::collection::vec(any::<u8>(), FRAME_HEADER_BYTES..200)) {
        read_all(&mut frame);
    }

    /// Nearly right packets come further.
    #[test]
    fn damaged_packets_are_read_without_a_panic(
        kind in 0usize..4,
        cut in 0usize..120,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut frame = unfinished(&packets(&[1; 50])[kind]);
        for (place, byte) in flips {
            let place = place.index(frame.len());
            frame[place] = byte;
        }
        frame.truncate(FRAME_HEADER_BYTES.max(frame.len().saturating_sub(cut)));
        read_all(&mut frame);
    }
}

fn read_all(frame: &mut [u8]) {
    let packet = &frame[FRAME_HEADER_BYTES..];
    destination_host(packet);
    is_several(frame);
    if let Some(segment) = segment(packet) {
        segment.sequence_end();
    }
    finish_checksum(frame);
    let packet = &mut frame[FRAME_HEADER_BYTES..];
    if let Some(target) = target(packet) {
        assert!(target.noticed_bytes().end <= packet.len());
        if let Some(at) = target.hidden_bytes().last() {
            target.flip_hidden(packet, at, 7);
        }
    }
}
