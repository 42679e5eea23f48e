//! The slot of a key: CRC-16 of its hashtag, or of the whole key where it has none.

use commands::CommandError;
use protocol::number;
use store::store::hashtag;

use super::SLOTS;

/// The slot of a key.
pub(super) fn of_key(key: &[u8]) -> usize {
    usize::from(crc16(hashtag(key).unwrap_or(key))) % SLOTS
}

/// A slot's number as clients give it.
pub(super) fn parse(text: &[u8]) -> Result<usize, CommandError> {
    let number = number::parse_i64(text).and_then(|number| usize::try_from(number).ok());
    let invalid = CommandError::Text("ERR Invalid or out of range slot");
    number.filter(|&slot| slot < SLOTS).ok_or(invalid)
}

/// The CRC that the cluster's specification names: XMODEM's, polynomial 0x1021.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        crc << 8 ^ OF_BYTE[usize::from(crc >> 8) ^ usize::from(*byte)]
    })
}

/// The CRC of each byte.
const OF_BYTE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            let carry = crc & 0x8000 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x1021;
            }
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_one_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    /// What CLUSTER KEYSLOT of a Redis 7.0.15 server answered.
    #[test]
    fn slots_are_redis_s() {
        for (key, slot) in [
            ("", 0),
            ("foo", 12_182),
            ("a{b}c", 3300),
            ("b", 3300),
            ("{}foo", 9500),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
        ] {
            assert_eq!(of_key(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn slots_have_limits() {
        assert_eq!(parse(b"16383"), Ok(16_383));
        for wrong in ["16384", "-1", "x", "", "9223372036854775808"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
