//! JSON that was read and written again.

use std::ops::ControlFlow;

use super::{Depth, Visit, places};
use crate::diagnose::cause::Cause;
use crate::diagnose::json::{BeyondAscii, Node, Style};
use crate::diagnose::parameters::Parameters;

/// Of this many names all orders are tried: 5,040.
const MAX_NAMES: usize = 7;

pub(super) fn each(parameters: &Parameters, depth: Depth, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        if !matches!(value.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
            continue;
        }
        let Some(node) = std::str::from_utf8(value).ok().and_then(Node::parse) else { continue };
        let mut write = |node: &Node, style| {
            let text = node.write(style).into_bytes();
            if text == value {
                ControlFlow::Continue(())
            } else {
                visit(Cause::JsonRewritten, parameters.with(place, text))
            }
        };
        if let Node::Text(text) = &node {
            // A string that holds the JSON: it was written as a value of another document.
            visit(Cause::JsonRewritten, parameters.with(place, text.clone().into_bytes()))?;
            continue;
        }
        let styles = node.styles();
        styles.iter().try_for_each(|style| write(&node, *style))?;
        let sorted = node.sorted();
        if sorted != node {
            styles.iter().try_for_each(|style| write(&sorted, *style))?;
        }
        if depth == Depth::Deep {
            orders(&node, &mut |node| {
                let likely = [BeyondAscii::Plain, BeyondAscii::Lower, BeyondAscii::Upper];
                likely.iter().try_for_each(|beyond_ascii| {
                    write(node, Style { beyond_ascii: *beyond_ascii, ..Style::COMPACT })
                })
            })?;
        }
    }
    ControlFlow::Continue(())
}

/// Puts the names of the outermost object in every order, if they are not too many.
fn orders(node: &Node, visit: &mut dyn FnMut(&Node) -> ControlFlow<()>) -> ControlFlow<()> {
    match node {
        Node::Object(members) if (2..=MAX_NAMES).contains(&members.len()) => {
            let mut members = members.clone();
            permute(&mut members, 0, visit)
        }
        Node::Object(_) | Node::Token(_) | Node::Text(_) | Node::List(_) => ControlFlow::Continue(()),
    }
}

/// Puts all members from `first` on in every order.
fn permute(
    members: &mut Vec<(String, Node)>,
    first: usize,
    visit: &mut dyn FnMut(&Node) -> ControlFlow<()>,
) -> ControlFlow<()> {
    if first >= members.len() {
        return visit(&Node::Object(members.clone()));
    }
    for place in first..members.len() {
        members.swap(first, place);
        permute(members, first.saturating_add(1), visit)?;
        members.swap(first, place);
    }
    ControlFlow::Continue(())
}
