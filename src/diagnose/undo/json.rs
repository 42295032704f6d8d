//! JSON that was read and written again.

use std::ops::ControlFlow;

use encoding_rs::GB18030;

use super::{Visit, places};
use crate::diagnose::cause::Cause;
use crate::diagnose::json::{Node, Style};
use crate::diagnose::parameters::Parameters;
use crate::diagnose::python;

/// So many orders are tried: all of seven names.
const MAX_ORDERS: usize = 5_040;

/// Writes JSON in other styles, as it is and with its names sorted.
pub(super) fn each(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some(value) = Value::at(parameters, place) else { continue };
        if let Node::Text(text) = &value.node {
            // A string that holds the JSON: it was written as a value of another document.
            visit(Cause::JsonRewritten, parameters.with(place, value.bytes(text)))?;
            continue;
        }
        let sorted = value.node.sorted();
        let styles = value.node.styles();
        styles.iter().try_for_each(|style| value.write(&value.node, *style, visit))?;
        if sorted != value.node {
            styles.iter().try_for_each(|style| value.write(&sorted, *style, visit))?;
        }
    }
    ControlFlow::Continue(())
}

/// Writes JSON with its names in every order, each in as many styles as make no more than `most` ways, and in one at least.
pub(super) fn every(parameters: &Parameters, most: usize, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some(value) = Value::at(parameters, place) else { continue };
        // The outermost names change first.
        let orders = value.node.orders().min(MAX_ORDERS);
        let mut styles = value.node.styles();
        styles.truncate(most.checked_div(orders).unwrap_or_default().max(1));
        for nth in 1..orders {
            let node = value.node.ordered(nth);
            styles.iter().try_for_each(|style| value.write(&node, *style, visit))?;
        }
    }
    ControlFlow::Continue(())
}

/// A value that is JSON, in UTF-8 or in GBK, or that Python printed.
struct Value<'p> {
    parameters: &'p Parameters,
    place: usize,
    node: Node,
    is_utf8: bool,
}

impl<'p> Value<'p> {
    fn at(parameters: &'p Parameters, place: usize) -> Option<Self> {
        let (_, value) = parameters.iter().nth(place)?;
        if !matches!(value.trim_ascii_start().first(), Some(b'{' | b'[' | b'"')) {
            return None;
        }
        let (node, is_utf8) = match std::str::from_utf8(value) {
            Ok(text) => (Node::parse(text).or_else(|| Node::parse(&python::json(text)?))?, true),
            Err(_) => {
                (Node::parse(&GB18030.decode_without_bom_handling_and_without_replacement(value)?)?, false)
            }
        };
        Some(Self { parameters, place, node, is_utf8 })
    }

    /// A text in the charset of the value.
    fn bytes(&self, text: &str) -> Vec<u8> {
        if self.is_utf8 { text.as_bytes().to_vec() } else { GB18030.encode(text).0.into_owned() }
    }

    fn write(&self, node: &Node, style: Style, visit: Visit<'_>) -> ControlFlow<()> {
        let text = self.bytes(&node.write(style));
        let is_new = self.parameters.iter().nth(self.place).is_some_and(|(_, value)| value != text);
        if is_new {
            visit(Cause::JsonRewritten, self.parameters.with(self.place, text))
        } else {
            ControlFlow::Continue(())
        }
    }
}
