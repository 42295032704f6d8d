//! JSON with a line for each value, for people.

/// The JSON `json`, indented; order, digits and escapes stay as they are. It has to be well-formed.
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len().saturating_mul(2));
    let (mut depth, mut in_text, mut after_backslash) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(char) = chars.next() {
        if in_text {
            out.push(char);
            in_text = after_backslash || char != '"';
            after_backslash = !after_backslash && char == '\\';
            continue;
        }
        match char {
            ' ' | '\t' | '\r' | '\n' => {}
            '"' => {
                out.push(char);
                in_text = true;
            }
            '{' | '[' => {
                out.push(char);
                while chars.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = chars.next_if(|char| matches!(char, '}' | ']')) {
                    out.push(end);
                } else {
                    depth = depth.saturating_add(1);
                    break_line(depth, &mut out);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(depth, &mut out);
                out.push(char);
            }
            ',' => {
                out.push(char);
                break_line(depth, &mut out);
            }
            ':' => out.push_str(": "),
            _ => out.push(char),
        }
    }
    out.push('\n');
    out
}

fn break_line(depth: usize, out: &mut String) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_line_and_stays_as_it_is() {
        let json = r#"{ "a\"{,":[1.10, {}, [ ],{"b\\":null}],"c" : "x: [y]" }"#;
        insta::assert_snapshot!(indented(json), @r#"
        {
          "a\"{,": [
            1.10,
            {},
            [],
            {
              "b\\": null
            }
          ],
          "c": "x: [y]"
        }
        "#);
    }
}
