//! Firewall tables, by nftables' part of netlink: nft(8). Messages of three kinds are all that is needed, and no crate
//! has them: `NFT_MSG_NEWTABLE`, `NFT_MSG_GETTABLE`, and the two that open and close a batch.

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::netlink::{Netlink, Refused, refused};

const NFNL_SUBSYS_NFTABLES: u16 = 10 << 8;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES;
const NFT_MSG_GETTABLE: u16 = NFNL_SUBSYS_NFTABLES | 1;
const NFNL_MSG_BATCH_BEGIN: u16 = 16;
const NFNL_MSG_BATCH_END: u16 = 17;
const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const NFTA_TABLE_NAME: u16 = 1;

/// A message: its type, the family, the resource id in the byte order of networks, and the name of a table.
#[derive(Debug)]
pub(super) struct Message {
    kind: u16,
    family: u8,
    resource: u16,
    table: Option<String>,
}

impl Message {
    fn attribute(&self) -> Vec<u8> {
        let Some(name) = &self.table else { return Vec::new() };
        let length = 4 + name.len() + 1;
        let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
        bytes.extend_from_slice(&NFTA_TABLE_NAME.to_ne_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.resize(length.next_multiple_of(4), 0);
        bytes
    }

    fn to_bytes(&self, flags: u16) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let this = Message { table: self.table.clone(), ..*self };
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(this));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        4 + self.attribute().len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // struct nfgenmsg: the family, the version (0), the resource.
        let [high, low] = self.resource.to_be_bytes();
        buffer[..4].copy_from_slice(&[self.family, 0, high, low]);
        buffer[4..].copy_from_slice(&self.attribute());
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = payload.get(4..).unwrap_or_default();
        let mut table = None;
        while let [l0, l1, t0, t1, ..] = *rest {
            let length = usize::from(u16::from_ne_bytes([l0, l1]));
            if u16::from_ne_bytes([t0, t1]) == NFTA_TABLE_NAME {
                let name = rest.get(4..length).unwrap_or_default();
                table = Some(String::from_utf8_lossy(name).trim_end_matches('\0').to_owned());
            }
            rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
        }
        let family = payload.first().copied().unwrap_or_default();
        Ok(Message { kind: header.message_type, family, resource: 0, table })
    }
}

/// The names of the tables in the reader's network namespace, with their families: `inet web`.
///
/// # Errors
/// `EOPNOTSUPP` or `EPROTONOSUPPORT` where the kernel has no nftables.
pub(crate) fn tables() -> Result<Vec<String>, Refused> {
    let request = Message { kind: NFT_MSG_GETTABLE, family: NFPROTO_UNSPEC, resource: 0, table: None };
    let answers = Netlink::open_for(NETLINK_NETFILTER)?.dump(request)?;
    let name = |message: Message| {
        let family = if message.family == NFPROTO_INET { "inet " } else { "" };
        message.table.map(|table| format!("{family}{table}"))
    };
    Ok(answers.into_iter().filter_map(name).collect())
}

/// Makes a table in the caller's network namespace, for IPv4 and IPv6: `nft add table inet NAME`.
///
/// # Errors
/// As [`tables`]; `EPERM` without CAP_NET_ADMIN there.
pub(crate) fn add_table(name: &str) -> Result<(), Refused> {
    let netlink = Netlink::open_for(NETLINK_NETFILTER)?;
    let nftables = NFNL_SUBSYS_NFTABLES >> 8;
    let edge = |kind| Message { kind, family: NFPROTO_UNSPEC, resource: nftables, table: None }.to_bytes(0);
    let table = Message { kind: NFT_MSG_NEWTABLE, family: NFPROTO_INET, resource: 0, table: Some(name.to_owned()) };
    // One packet: the kernel applies what stands between the two edges, or none of it.
    let parts = [edge(NFNL_MSG_BATCH_BEGIN), table.to_bytes(NLM_F_CREATE | NLM_F_ACK), edge(NFNL_MSG_BATCH_END)];
    netlink.send_bytes(&parts.concat())?;
    for message in netlink.next::<Message>()? {
        if let NetlinkPayload::Error(error) = message.payload
            && error.code.is_some()
        {
            return Err(refused(&error));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_table_that_is_written_is_read_again(name in "[^\\x00]{0,40}", family in any::<u8>()) {
            let message = Message { kind: NFT_MSG_NEWTABLE, family, resource: 0, table: Some(name.clone()) };
            let mut payload = vec![0; message.buffer_len()];
            message.serialize(&mut payload);
            let read = Message::deserialize(&NetlinkHeader::default(), &payload).unwrap();
            prop_assert_eq!((read.family, read.table), (family, Some(name)));
        }
    }
}
