//! The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words.

use std::net::IpAddr;

/// The sum of words so far; an odd last byte counts as the first half of a word.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(2);
    let last = words.remainder().first().map_or(0, |byte| u64::from(*byte) << 8);
    words.map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>() + last
}

/// The sum of what TCP and UDP check beside their own bytes: addresses, protocol, length (RFC 9293, RFC 8200).
pub(crate) fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> u64 {
    let address = |address| match address {
        IpAddr::V4(address) => sum(&address.octets()),
        IpAddr::V6(address) => sum(&address.octets()),
    };
    let length = length as u64;
    address(from) + address(to) + u64::from(protocol) + (length >> 16) + (length & 0xffff)
}

/// The checksum of what has this sum.
pub(crate) fn finish(sum: u64) -> u16 {
    !fold(sum)
}

/// What a checksum becomes when one of the words that it covers changes (RFC 1624, equation 3).
pub(crate) fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 1071, section 3.
    #[test]
    fn the_example_of_the_standard() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)), 0xddf2);
        assert_eq!(finish(sum(&bytes)), 0x220d);
    }

    proptest! {
        #[test]
        fn an_update_is_the_same_as_computing_anew(
            mut bytes in prop::collection::vec(any::<u8>(), 4..64),
            new: [u8; 2],
        ) {
            bytes[0] = 1; // A sum of nothing but zeros has two forms.
            let before = finish(sum(&bytes));
            let old = u16::from_be_bytes([bytes[2], bytes[3]]);
            bytes[2..4].copy_from_slice(&new);
            let after = finish(sum(&bytes));
            prop_assert_eq!(updated(before, old, u16::from_be_bytes(new)), after);
        }
    }
}
