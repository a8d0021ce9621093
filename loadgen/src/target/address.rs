//! Where a broker listens.

use std::fmt;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or literal address, IPv6 without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl Address {
    /// Reads `rest`, what follows the scheme of `whole`.
    ///
    /// # Errors
    /// What is wrong with it; credentials are not repeated.
    pub(crate) fn parse(whole: &str, rest: &str, port_default: u16) -> Result<Self, String> {
        if rest.contains('@') {
            return Err(
                "a broker with credentials cannot be measured: open it to this host and \
                        leave them out of the URL"
                    .to_owned(),
            );
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(literal) => {
                let (host, after) = literal
                    .split_once(']')
                    .ok_or_else(|| format!("{whole}: `[` without `]`"))?;
                (host, after.strip_prefix(':'))
            }
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        if host.is_empty() || host.contains('/') {
            return Err(format!("{whole}: which host? write scheme://host:port"));
        }
        let port = match port {
            None => port_default,
            Some(text) => text
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("{whole}: `{text}` is not a port"))?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
