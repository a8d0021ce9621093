//! Varints and tags, length by length.

use super::*;

fn encoded(value: u64) -> Vec<u8> {
    let mut out = BytesMut::new();
    put(value, &mut out);
    out.to_vec()
}

#[test]
fn every_length_survives_with_and_without_bytes_behind() {
    for shift in 0..64 {
        for value in [
            1u64 << shift,
            (1 << shift) - 1,
            u64::MAX >> shift,
            0x5a5a << shift,
        ] {
            let mut bytes = encoded(value);
            assert_eq!(bytes.len(), encoded_len(value));
            assert_eq!(decode(&bytes), Ok((value, bytes.len())));
            bytes.extend([0xff; 12]);
            assert_eq!(decode(&bytes), Ok((value, encoded_len(value))));
        }
    }
}

#[test]
fn every_cut_is_truncated() {
    for shift in 0..64 {
        let bytes = encoded(1 << shift);
        for cut in 0..bytes.len() {
            assert_eq!(
                decode(&bytes[..cut]),
                Err(Malformed::Truncated),
                "{shift} {cut}"
            );
        }
    }
}

#[test]
fn every_padding_is_refused() {
    for value_bytes in 1..10 {
        for behind in [0, 12] {
            let mut bytes = vec![0x81; value_bytes];
            bytes.push(0);
            bytes.extend(vec![0xff; behind]);
            assert_eq!(
                decode(&bytes),
                Err(Malformed::VarintPadded),
                "{value_bytes}"
            );
        }
    }
}

#[test]
fn nothing_beyond_64_bits() {
    for tenth in 2..=0xff {
        let mut bytes = vec![0xff; 9];
        bytes.push(tenth);
        assert_eq!(decode(&bytes), Err(Malformed::VarintTooLong), "{tenth}");
    }
}

#[test]
fn tags_of_no_field() {
    for key in [0, 1, 7, 6, 8 | 6, 8 | 7, 1 << 32, u64::MAX] {
        assert_eq!(Tag::from_key(key), Err(Malformed::Tag), "{key}");
    }
    let highest = Tag {
        number: (1 << 29) - 1,
        wire_type: WireType::Fixed32,
    };
    assert_eq!(Tag::from_key(u64::from(u32::MAX) - 2), Ok(highest));
}
