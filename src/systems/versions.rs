//! Versions of programs as numbers, for [`Upgrades`](crate::systems::system::Upgrades).

/// A version of three numbers as one, greater for a later one: 3.4.23 is 3004023. None for any other text.
pub fn number(version: &str) -> Option<u64> {
    let parts: Vec<u64> = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    match parts[..] {
        [major, minor, patch] if minor < 1_000 && patch < 1_000 => {
            major.checked_mul(1_000_000)?.checked_add(minor * 1_000 + patch)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_versions_are_greater_numbers() {
        let numbers = ["3.4.23", "3.4.100", "3.5.0", "3.5.1", "10.0.0"].map(|version| number(version).expect("one"));
        assert!(numbers.is_sorted() && numbers[0] == 3_004_023, "{numbers:?}");
        for strange in ["", "3.5", "3.5.0-rc.1", "3.1000.0", "99999999999999999.0.0"] {
            assert_eq!(number(strange), None, "{strange}");
        }
    }
}
