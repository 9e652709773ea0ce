/**
 * What netstat -s says of each counter, by protocol and name. The image knows counters by name only
 * (net.*.stats); one that is not here is printed by its name, so a new counter needs nothing here.
 */
const words: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ip: {
    total: 'packets received', badsum: 'bad header checksums', tooshort: 'with size smaller than minimum', toosmall: 'with data size < data length',
    badhlen: 'with header length < data size', badlen: 'with data length < header length', badvers: 'with incorrect version number',
    badoptions: 'with bad options', fragments: 'fragments received', fragdropped: 'fragments dropped (dup or out of space)',
    fragtimeout: 'packets dropped after timeout of their fragments', fragoverlap: 'packets dropped for overlapping fragments',
    fragflood: 'fragments dropped, too many of one source', reassembled: 'packets reassembled ok', delivered: 'packets for this host',
    noproto: 'packets for unknown/unsupported protocol', forward: 'packets forwarded', cantforward: 'packets not forwardable',
    badaddr: 'packets with a source or destination that cannot be', notours: 'packets not for this host', localout: 'packets sent from this host',
    odropped: 'output packets dropped, the interface did not take them', ofragments: 'fragments created', fragmented: 'output datagrams fragmented',
    cantfrag: "datagrams that can't be fragmented", noroute: 'output packets discarded due to no route', nobufs: 'packets dropped for lack of buffers',
    rpfilter: 'packets dropped by the reverse-path filter', martian: 'packets not forwarded, martian', redirectsent: 'redirects due',
    badsroute: 'source routes refused', gsosegmented: 'packets segmented in software', gsosegments: 'segments made of them',
  },
  icmp: {
    inecho: 'echo requests received', inunreach: 'destination unreachable received', inredirect: 'redirects received', intimxceed: 'time exceeded received',
    inparamprob: 'parameter problems received', inquench: 'source quenches received, ignored', intstamp: 'timestamp requests received',
    inother: 'other messages received', badsum: 'messages with bad checksum', tooshort: 'messages shorter than minimum', badlen: 'messages with bad length',
    badcode: 'messages with bad code fields', outecho: 'echo and timestamp replies sent', outunreach: 'destination unreachable sent',
    outtimxceed: 'time exceeded sent', outparamprob: 'parameter problems sent', outlimited: 'errors not sent, over the rate limit',
    outsuppressed: 'errors not sent, about what must not be answered', bmcastecho: 'broadcast or multicast echo requests ignored',
    ctlinput: 'errors handed to protocols', outredirect: 'redirects sent',
  },
  igmp: {
    rcvtotal: 'messages received', rcvtooshort: 'messages received with too few bytes', rcvbadsum: 'messages received with bad checksum',
    rcvqueries: 'membership queries received', rcvbadqueries: 'membership queries received with invalid fields', rcvreports: 'membership reports received',
    rcvbadreports: 'membership reports received with invalid fields', rcvourreports: 'membership reports received for groups to which we belong',
    sndreports: 'membership reports sent', sndleaves: 'leaves sent',
  },
  udp: {
    ipackets: 'datagrams received', hdrops: 'with incomplete header', badsum: 'with bad checksum', badlen: 'with bad data length field',
    noport: 'dropped due to no socket', noportbcast: 'broadcast/multicast datagrams dropped due to no socket', fullsock: 'dropped due to full socket buffers',
    opackets: 'datagrams output', delivered: 'delivered', nosum: 'with no checksum',
  },
  tcp: {
    connattempt: 'connection requests', accepts: 'connection accepts', connects: 'connections established (including accepts)',
    drops: 'connections dropped', conndrops: 'embryonic connections dropped', closed: 'connections closed (including drops)',
    segstimed: 'segments timed', rttupdated: 'segments updated rtt', delack: 'delayed ACKs sent', timeoutdrop: 'connections dropped by rexmit timeout',
    rexmttimeo: 'retransmit timeouts', persisttimeo: 'persist timeouts', persistdrop: 'connections dropped by persist timeout',
    keeptimeo: 'keepalive timeouts', keepprobe: 'keepalive probes sent', keepdrops: 'connections dropped by keepalive',
    finwait2drop: 'connections dropped in FIN_WAIT_2', sndtotal: 'packets sent', sndpack: 'data packets sent', sndbyte: 'data bytes sent',
    sndrexmitpack: 'data packets retransmitted', sndrexmitbyte: 'data bytes retransmitted', sndacks: 'ack-only packets sent',
    sndprobe: 'window probe packets sent', sndurg: 'URG only packets sent', sndwinup: 'window update packets sent', sndctrl: 'control packets sent',
    sndrst: 'resets sent', sndnobufs: 'packets not sent for lack of buffers', rcvtotal: 'packets received', rcvpack: 'packets received in sequence',
    rcvbyte: 'bytes received in sequence', rcvbadsum: 'discarded for bad checksums', rcvbadoff: 'discarded for bad header offset fields',
    rcvshort: 'discarded because packet too short', rcvduppack: 'completely duplicate packets', rcvdupbyte: 'bytes in completely duplicate packets',
    rcvpartduppack: 'packets with some dup. data', rcvpartdupbyte: 'duplicate bytes in part-dup. packets', rcvoopack: 'out-of-order packets',
    rcvoobyte: 'out-of-order bytes', rcvoodrop: 'out-of-order packets dropped', rcvpackafterwin: 'packets of data after window',
    rcvbyteafterwin: 'bytes of data after window', rcvafterclose: 'packets received after close', rcvwinprobe: 'window probes received',
    rcvdupack: 'duplicate acks', rcvacktoomuch: 'acks for unsent data', rcvackpack: 'acks received', rcvackbyte: 'bytes acked',
    rcvwinupd: 'window update packets received', rcvnoport: 'segments for no connection or listener', rcvurg: 'packets with urgent data',
    pawsdrop: 'old duplicates discarded by timestamp (PAWS)', predack: 'correct ACK header predictions', preddat: 'correct data packet header predictions',
    badsyn: 'bad connection attempts', badrst: 'resets ignored', listendrop: 'listen queue overflows', mturesent: 'segments resent for a smaller MTU',
    fastrexmit: 'fast retransmissions', newrenopartial: 'partial acks in recovery (NewReno)', reasslimit: 'reassembly queue overflows',
    rstlimit: 'resets not sent, over the rate limit', icmpquench: 'source quenches ignored', challengeack: 'challenge ACKs sent',
    memdrop: 'connections dropped for lack of control blocks', selfconn: 'connections to oneself',
  },
  ether: {
    runts: 'frames shorter than a header', badsource: 'frames with a group as source', notours: 'frames for other hosts', filtered: 'multicast frames nobody joined',
    vlan: 'frames with a VLAN tag', llc: 'frames of 802.3 with a length', noproto: 'frames of unknown protocol', nobufs: 'frames dropped for lack of buffers',
  },
  arp: {
    sndtotal: 'packets sent', sndrequest: 'request packets sent', sndreply: 'reply packets sent', sndprobe: 'probes sent (RFC 5227)',
    sndannounce: 'announcements sent (RFC 5227)', rcvtotal: 'packets received', rcvrequest: 'request packets received', rcvreply: 'reply packets received',
    rcvbadlen: 'packets with bad length', rcvbadproto: 'packets with bad protocol', rcvbadspa: 'packets with bad sender protocol address',
    rcvbcastsha: 'packets with a group as sender', rcvlocalsha: 'packets of our own', rcvlocalspa: 'claims of an address of ours',
    defended: 'addresses defended', lost: 'addresses given up', rcvover: 'neighbours whose hardware address changed', rcvoverperm: 'attempts to overwrite a permanent entry',
    rcvoverlock: 'attempts to overwrite an entry that had just changed', unsolicited: 'replies about hosts nobody asked for', dfrtotal: 'packets deferred',
    dfrsent: 'deferred packets sent', dfrdropped: 'deferred packets dropped', timeouts: 'resolutions that failed', evicted: 'entries evicted', allocfail: 'failures to allocate an entry',
    sndproxy: 'reply packets sent for others',
  },
};

/** "12 packets sent", or "12 name" for a counter that has no words here. */
export function counterText(protocol: string, name: string, value: number): string {
  return `${value} ${words[protocol]?.[name] ?? name}`;
}
