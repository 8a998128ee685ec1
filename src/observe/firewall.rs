//! Firewall rules, by nftables' part of netlink: nft(8). Few messages are needed, and no crate has them: those that make a
//! table, a chain in it and a rule in that, the two that open and close a batch, and the one that lists the rules.

use std::fmt;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use serde::{Deserialize, Serialize};

use super::netlink::{Netlink, Refused};
use crate::transcript::NetlinkPart;

const NFNL_SUBSYS_NFTABLES: u16 = 10 << 8;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES;
const NFT_MSG_NEWCHAIN: u16 = NFNL_SUBSYS_NFTABLES | 3;
const NFT_MSG_NEWRULE: u16 = NFNL_SUBSYS_NFTABLES | 6;
const NFT_MSG_GETRULE: u16 = NFNL_SUBSYS_NFTABLES | 7;
const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;
const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const NLA_F_NESTED: u16 = 1 << 15;
const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFT_REG_VERDICT: u32 = 0;
const NF_DROP: u32 = 0;
/// Where packets pass that come from one network and go to another one.
const NF_INET_FORWARD: u32 = 2;

/// A firewall rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// The table, with its family: `inet guard`.
    pub table: String,
    /// The chain in it.
    pub chain: String,
    /// Whether it drops every packet that comes to it.
    pub drops: bool,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.drops { "drop" } else { "something else than drop" };
        write!(f, "table {}, chain {}: {what}", self.table, self.chain)
    }
}

/// A message: its type, the family, the resource id in the byte order of networks, and its attributes.
#[derive(Debug)]
pub(super) struct Message {
    kind: u16,
    family: u8,
    resource: u16,
    attributes: Vec<u8>,
}

impl Message {
    /// A message on something that is for IPv4 and IPv6.
    fn inet(kind: u16, attributes: &[Vec<u8>]) -> Self {
        Message { kind, family: NFPROTO_INET, resource: 0, attributes: attributes.concat() }
    }

    fn into_bytes(self, flags: u16) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(self));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    /// The rule that an answer tells of.
    fn rule(&self) -> Option<Rule> {
        let family = if self.family == NFPROTO_INET { "inet " } else { "" };
        let word = |name| {
            let word = attribute(&self.attributes, name)?;
            Some(String::from_utf8_lossy(word).trim_end_matches('\0').to_owned())
        };
        Some(Rule {
            table: format!("{family}{}", word(NFTA_RULE_TABLE)?),
            chain: word(NFTA_RULE_CHAIN)?,
            drops: attribute(&self.attributes, NFTA_RULE_EXPRESSIONS).is_some_and(drops),
        })
    }
}

/// Whether the first of a rule's expressions is the verdict to drop.
fn drops(expressions: &[u8]) -> bool {
    let path = [NFTA_LIST_ELEM, NFTA_EXPR_DATA, NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE];
    let code = path.iter().try_fold(expressions, |within, name| attribute(within, *name));
    let name = attribute(expressions, NFTA_LIST_ELEM).and_then(|first| attribute(first, NFTA_EXPR_NAME));
    name == Some(b"immediate\0") && code == Some(&NF_DROP.to_be_bytes())
}

/// An attribute, as bytes: its length, its name, what it says, and zeros up to the next four bytes.
fn of(name: u16, said: &[u8]) -> Vec<u8> {
    let length = 4 + said.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend_from_slice(&name.to_ne_bytes());
    bytes.extend_from_slice(said);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

fn of_word(name: u16, word: &str) -> Vec<u8> {
    of(name, &[word.as_bytes(), b"\0"].concat())
}

fn of_number(name: u16, number: u32) -> Vec<u8> {
    of(name, &number.to_be_bytes())
}

/// An attribute that is made of others.
fn of_all(name: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    of(name | NLA_F_NESTED, &parts.concat())
}

/// What the first attribute of this name says.
fn attribute(mut rest: &[u8], name: u16) -> Option<&[u8]> {
    while let [l0, l1, n0, n1, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        if u16::from_ne_bytes([n0, n1]) & !NLA_F_NESTED == name {
            return rest.get(4..length);
        }
        rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    None
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        4 + self.attributes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // struct nfgenmsg: the family, the version (0), the resource.
        let [high, low] = self.resource.to_be_bytes();
        buffer[..4].copy_from_slice(&[self.family, 0, high, low]);
        buffer[4..].copy_from_slice(&self.attributes);
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let family = payload.first().copied().unwrap_or_default();
        let attributes = payload.get(4..).unwrap_or_default().to_vec();
        Ok(Message { kind: header.message_type, family, resource: 0, attributes })
    }
}

/// The firewall rules of the reader's network namespace.
///
/// # Errors
/// `EOPNOTSUPP` or `EPROTONOSUPPORT` where the kernel has no nftables.
pub(crate) fn rules() -> Result<Vec<Rule>, Refused> {
    let request = Message { kind: NFT_MSG_GETRULE, family: NFPROTO_UNSPEC, resource: 0, attributes: Vec::new() };
    let answers = Netlink::open(NetlinkPart::Netfilter)?.dump(request)?;
    Ok(answers.iter().filter_map(Message::rule).collect())
}

/// Has every packet dropped that would go through the caller's network namespace from one network to another:
/// `nft add table inet TABLE`, a chain `forward` in it that such packets pass, and a rule `drop` in that. How many bytes were sent.
///
/// # Errors
/// As [`rules`]; `EPERM` without CAP_NET_ADMIN there.
pub(crate) fn drop_forwarded(table: &str) -> Result<usize, Refused> {
    const CHAIN: &str = "forward";
    let netlink = Netlink::open(NetlinkPart::Netfilter)?;
    let nftables = NFNL_SUBSYS_NFTABLES >> 8;
    let edge =
        |kind| Message { kind, family: NFPROTO_UNSPEC, resource: nftables, attributes: Vec::new() }.into_bytes(0);
    let hook = [of_number(NFTA_HOOK_HOOKNUM, NF_INET_FORWARD), of_number(NFTA_HOOK_PRIORITY, 0)];
    let chain = [
        of_word(NFTA_CHAIN_TABLE, table),
        of_word(NFTA_CHAIN_NAME, CHAIN),
        of_all(NFTA_CHAIN_HOOK, &hook),
        of_word(NFTA_CHAIN_TYPE, "filter"),
    ];
    let verdict = of_all(NFTA_DATA_VERDICT, &[of_number(NFTA_VERDICT_CODE, NF_DROP)]);
    let drop = [of_number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT), of_all(NFTA_IMMEDIATE_DATA, &[verdict])];
    let expression = [of_word(NFTA_EXPR_NAME, "immediate"), of_all(NFTA_EXPR_DATA, &drop)];
    let rule = [
        of_word(NFTA_RULE_TABLE, table),
        of_word(NFTA_RULE_CHAIN, CHAIN),
        of_all(NFTA_RULE_EXPRESSIONS, &[of_all(NFTA_LIST_ELEM, &expression)]),
    ];
    // One packet: the kernel applies what stands between the two edges, or none of it.
    let parts = [
        edge(NFNL_MSG_BATCH_BEGIN),
        Message::inet(NFT_MSG_NEWTABLE, &[of_word(NFTA_TABLE_NAME, table)]).into_bytes(NLM_F_CREATE),
        Message::inet(NFT_MSG_NEWCHAIN, &chain).into_bytes(NLM_F_CREATE),
        Message::inet(NFT_MSG_NEWRULE, &rule).into_bytes(NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK),
        edge(NFNL_MSG_BATCH_END),
    ];
    let sent = netlink.send_bytes(&parts.concat())?;
    for message in netlink.next::<Message>()? {
        if let NetlinkPayload::Error(error) = message.payload
            && error.code.is_some()
        {
            return Err(netlink.refused(&error, sent));
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_rule_that_is_written_is_read_again(table in "[^\\x00]{0,40}", chain in "[^\\x00]{0,40}", family in any::<u8>()) {
            let attributes = [of_word(NFTA_RULE_TABLE, &table), of_word(NFTA_RULE_CHAIN, &chain)].concat();
            let message = Message { kind: NFT_MSG_NEWRULE, family, resource: 0, attributes };
            let mut payload = vec![0; message.buffer_len()];
            message.serialize(&mut payload);
            let read = Message::deserialize(&NetlinkHeader::default(), &payload).unwrap();
            let table = if family == NFPROTO_INET { format!("inet {table}") } else { table };
            prop_assert_eq!((read.family, read.rule()), (family, Some(Rule { table, chain, drops: false })));
        }

        #[test]
        fn no_attributes_are_too_strange_to_be_read(attributes in prop::collection::vec(any::<u8>(), 0..200)) {
            drops(&attributes);
            Message { kind: NFT_MSG_NEWRULE, family: 0, resource: 0, attributes }.rule();
        }
    }
}
