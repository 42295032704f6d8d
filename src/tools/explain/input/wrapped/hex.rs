//! Bytes in hexadecimal: as Wireshark, `tcpdump -X`, `xxd` and `hexdump -C` show them, or one after the other.

use crate::tools::explain::input::text::Text;

/// The most bytes that a line shows.
const WIDTH: usize = 16;
/// How long the head of a link may be before that of IP: none, Ethernet, Linux's two for any interface.
const LINKS: [usize; 4] = [0, 14, 16, 20];

/// The bytes of a dump with an offset in each line, without the heads of packets that `tcpdump` shows.
pub(super) fn dumped(text: &Text<'_>) -> Option<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut margin = None;
    for line in text.as_str().lines() {
        let Some((offset, bytes)) = row(line) else { continue };
        // Wireshark sets what the other side says apart.
        let width = line.len().saturating_sub(line.trim_start().len());
        if width != *margin.get_or_insert(width) {
            continue;
        }
        if offset == 0 || packets.is_empty() {
            packets.push(Vec::new());
        }
        packets.last_mut()?.extend(bytes);
    }
    let bytes = packets.iter().map(|packet| payload(packet).unwrap_or(packet)).collect::<Vec<_>>().concat();
    (!bytes.is_empty()).then_some(bytes)
}

/// Bytes that are written one after the other, and nothing else.
pub(super) fn bytes(text: &Text<'_>) -> Option<Vec<u8>> {
    let digits: String = text.as_str().split_ascii_whitespace().collect();
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    (digits.len() > WIDTH).then(|| pairs(digits)).flatten()
}

/// The offset and the bytes of a line of a dump.
fn row(line: &str) -> Option<(usize, Vec<u8>)> {
    let (offset, mut rest) = line.trim_start().split_once(' ')?;
    let offset = offset.strip_suffix(':').unwrap_or(offset);
    let offset = offset.strip_prefix("0x").unwrap_or(offset);
    if offset.len() < 4 {
        return None;
    }
    let offset = usize::from_str_radix(offset, 16).ok()?;
    let mut bytes = Vec::new();
    while bytes.len() < WIDTH {
        let group = rest.trim_start_matches(' ');
        let spaces = rest.len().saturating_sub(group.len());
        let end = group.find(' ').unwrap_or(group.len());
        let (digits, after) = group.split_at_checked(end)?;
        // Single bytes stand in two halves. What comes after a greater gap is text.
        let is_half = digits.len() == 2 && bytes.len() == 8 && spaces <= 2;
        if !bytes.is_empty() && spaces > 1 && !is_half {
            break;
        }
        let Some(read) = pairs(digits).filter(|read| matches!(read.len(), 1 | 2)) else { break };
        bytes.extend(read);
        rest = after;
    }
    (!bytes.is_empty()).then_some((offset, bytes))
}

fn pairs(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let pairs = pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok());
    if rest.is_empty() { pairs.collect() } else { None }
}

/// What TCP carries in `packet`, if that begins with the heads of a link, of IP and of TCP.
fn payload(packet: &[u8]) -> Option<&[u8]> {
    LINKS.iter().find_map(|link| {
        let ip = packet.get(*link..)?;
        let (length, protocol, whole) = match ip.first()? >> 4 {
            4 => (usize::from(ip.first()? & 0xf).checked_mul(4)?, ip.get(9)?, number(ip, 2)?),
            6 => (40, ip.get(6)?, number(ip, 4)?.checked_add(40)?),
            _ => return None,
        };
        let tcp = ip.get(length..whole).filter(|_| *protocol == 6)?;
        tcp.get(usize::from(tcp.get(12)? >> 4).checked_mul(4)?..)
    })
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk::<2>()?;
    Some(usize::from(u16::from_be_bytes(*number)))
}
