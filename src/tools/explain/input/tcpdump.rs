//! What `tcpdump -A` writes around and between the packets.

/// What it shows where it cannot show a byte: one dot for each. A single one is more often a dot.
pub(super) const PLACEHOLDER: &[u8] = b"..";
/// What has to be known of its output.
pub(super) const NOTE: &str = "tcpdump -A shows a dot for each CR and for each byte that is not printable ASCII, so that \
    a dot here may be another byte: if in doubt write the packets (-s 0 -w FILE), and save the body from Wireshark \
    (Follow HTTP Stream, as raw)";

/// The longest body that is put together where it does not say how long it is.
const MAX_BODY: usize = 256 * 1024;

/// More than the heads of one packet.
const MAX_HEAD: usize = 1024;

/// What the line says that is written before a packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packet<'l> {
    /// Who sends it to whom; unknown where the line is not there.
    flow: Option<(&'l str, &'l str)>,
    /// The length of its payload.
    length: usize,
}

/// The body of which `rest` is what is printed after the head, without what is written between the packets: a line with
/// time and length, the packet's own head, and packets of other connections; as far as it is `announced`. Where there
/// was nothing of it, `None`.
pub(super) fn payload(rest: &[u8], packet: Option<&Packet<'_>>, announced: Option<usize>) -> Option<Vec<u8>> {
    let mut lines = rest.split_inclusive(|byte| *byte == b'\n').peekable();
    let mut body: Vec<u8> = Vec::new();
    let most = announced.unwrap_or(MAX_BODY);
    let gather = |lines: &mut std::iter::Peekable<_>| -> Vec<u8> {
        let mut chunk = Vec::new();
        while let Some(line) = lines.next_if(|line: &&[u8]| Packet::of(line).is_none()) {
            chunk.extend_from_slice(line);
            // It may be longer by the head of the packet.
            if chunk.len() > most.saturating_add(MAX_HEAD) {
                break;
            }
        }
        chunk
    };
    let first = gather(&mut lines);
    lines.peek().and_then(|line| Packet::of(line))?;
    body.extend(first.strip_suffix(b"\n").unwrap_or(&first));
    let flow = packet.and_then(|packet| packet.flow);
    while body.len() < most {
        let Some(packet) = lines.next().and_then(Packet::of) else { break };
        let chunk = gather(&mut lines);
        let chunk = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
        if flow.is_none() || flow == packet.flow {
            body.extend(chunk.get(chunk.len().saturating_sub(packet.length)..).unwrap_or_default());
        }
    }
    Some(body)
}

impl<'l> Packet<'l> {
    /// Reads `line`, if it is the one that is written before a packet: with the time in any of the forms of `-t`, `-tt`,
    /// `-ttt`, `-tttt` and `-ttttt`, or without, and with the interface where it listens on `any`.
    pub(super) fn of(line: &'l [u8]) -> Option<Self> {
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
        let source = words.next().filter(|_| is_packet)?;
        words.next_if_eq(&">")?;
        let flow = words.next().map(|destination| (source, destination));
        let (_, after) = text.rsplit_once(", length ")?;
        let length = after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self { flow, length })
    }
}

fn is_time(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || b":.-".contains(&byte))
}
