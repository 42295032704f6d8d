//! Where an event goes: to the url of the first route that is for its message, else to `upstream.url`.

use std::collections::BTreeMap;
use std::rc::Rc;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http;

use super::pool::{Idle, Pool};
use crate::config::{self, Pattern, UpstreamUrl};
use crate::outside::Outside;

/// Where requests go.
pub(super) struct Target<O> {
    /// The value of `host`.
    pub(super) host: HeaderValue,
    /// The path and the query.
    pub(super) path_and_query: Uri,
    /// The connections. Targets on one host and port share them.
    pub(super) pool: Rc<Pool<O>>,
}

/// All targets of one worker.
pub(super) struct Targets<O> {
    routes: Vec<(Pattern, Target<O>)>,
    otherwise: Target<O>,
}

impl<O: Outside> Targets<O> {
    /// The targets of `config`, as the worker of this number sees them; all workers share `idle`.
    pub(super) fn new(config: &config::Upstream, worker: usize, idle: &Idle) -> Result<Self, http::Error> {
        let mut pools = BTreeMap::new();
        let mut target = |url: &UpstreamUrl| -> Result<Target<O>, http::Error> {
            let pool = pools.entry(url.address()).or_insert_with_key(|address| {
                Rc::new(Pool::new(address, config.connect_timeout, worker, idle.to(address)))
            });
            Ok(Target {
                host: HeaderValue::from_str(&url.authority)?,
                path_and_query: url.path_and_query.parse()?,
                pool: Rc::clone(pool),
            })
        };
        let otherwise = target(&config.url)?;
        let routes = config.routes.iter().map(|route| Ok((route.msg_method.clone(), target(&route.url)?)));
        Ok(Self { routes: routes.collect::<Result<_, http::Error>>()?, otherwise })
    }

    /// Where messages of this kind go.
    pub(super) fn of(&self, msg_method: &str) -> &Target<O> {
        let route = self.routes.iter().find(|(pattern, _)| pattern.matches(msg_method));
        route.map_or(&self.otherwise, |(_, target)| target)
    }
}
