//! What `tcpdump -A` writes around and between the packets.

/// What it shows where it cannot show a byte: one dot for each. A single one is more often a dot.
pub(super) const PLACEHOLDER: &[u8] = b"..";
/// What has to be known of its output.
pub(super) const NOTE: &str = "tcpdump -A shows a dot for each CR and for each byte that is not printable ASCII, so that \
    a dot here may be another byte: if in doubt write the packets (-s 0 -w FILE), and save the body from Wireshark \
    (Follow HTTP Stream, as raw)";

/// The body without what is written between the packets: a line with time and length, and the packet's own head. Where
/// there was nothing of it, `None`.
pub(super) fn payload(rest: &[u8]) -> Option<Vec<u8>> {
    let mut lines = rest.split_inclusive(|byte| *byte == b'\n').peekable();
    let mut body: Vec<u8> = Vec::new();
    let gather = |lines: &mut std::iter::Peekable<_>| -> Vec<u8> {
        let mut chunk = Vec::new();
        while let Some(line) = lines.next_if(|line: &&[u8]| length_of_packet(line).is_none()) {
            chunk.extend_from_slice(line);
        }
        chunk
    };
    let first = gather(&mut lines);
    lines.peek()?;
    body.extend(first.strip_suffix(b"\n").unwrap_or(&first));
    while let Some(line) = lines.next() {
        let length = length_of_packet(line).unwrap_or_default();
        let chunk = gather(&mut lines);
        let chunk = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
        body.extend(chunk.get(chunk.len().saturating_sub(length)..).unwrap_or_default());
    }
    Some(body)
}

/// The length of the payload, if `line` is the one that is written before a packet: with the time in any of the forms
/// of `-t`, `-tt`, `-ttt`, `-tttt` and `-ttttt`, or without, and with the interface where it listens on `any`.
pub(super) fn length_of_packet(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split_ascii_whitespace().peekable();
    let mut has_time = false;
    while words.next_if(|word| is_time(word)).is_some() {
        has_time = true;
    }
    let mut is_packet = false;
    // Interface and direction.
    for _ in 0..3 {
        is_packet = words.next_if(|word| matches!(*word, "IP" | "IP6")).is_some();
        if is_packet || !has_time {
            break;
        }
        words.next();
    }
    words.next().filter(|_| is_packet)?;
    words.next_if_eq(&">")?;
    let (_, after) = text.rsplit_once(", length ")?;
    after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn is_time(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || b":.-".contains(&byte))
}
