"""The bad-input battery: `badInput.py GROUP [SEED COUNT]`, one group of hostile frames a run.

Every group says how many frames of a kind it sent, by the name of the counter that has to have moved
by so many; the test (badInput.test.ts) compares. Groups that attack an established connection use it
afterwards.
"""
import itertools
import struct

from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, fuzz, raw

import flips
from wire import (ACK, ETH_ARP, ETH_IP, FIN, GHOST, GHOST_MAC, IMAGE, KERNEL, NET, PSH, RST, SYN, URG, Ghost, Peer, icmp, ip, main, tcp, udp)

SYN_OPTIONS = b'\x02\x04\x05\xb4'


def padded(options):
    """Options to a multiple of four, with what ends a list."""
    return options + b'\0' * (-len(options) % 4)


def ip_headers(wire):
    good = udp(5000, 9, b'x' * 20)
    for version in (v for v in range(16) if v != 4):
        wire.ip(ip(good, vhl=version << 4 | 5))
    for words in range(5):
        wire.ip(ip(good, vhl=0x40 | words))
    # Lengths: less than the header, and more than there is.
    short = [0, 1, 19]
    for length in short:
        wire.ip(ip(good, length=length))
    long = [49, 576, 1500, 1501, 32768, 65535]
    for length in long:
        wire.ip(ip(good, length=length))
    # A header that is longer than the packet.
    wire.ip(ip(b'', vhl=0x4f, length=20))
    # Cut off anywhere (the card pads to 60, so those that are cut say so in their length).
    whole = ip(good)
    for cut in range(20):
        wire.ip(whole[:cut])
    for proto in range(256):
        wire.ip(ip(b'\xa5' * 24, proto=proto))
    for ttl in (0, 1, 255):
        wire.ip(ip(icmp(8, data=b'ttl'), proto=1, ttl=ttl))
    for bits in (0x8000, 0x4000, 0xc000):
        wire.ip(ip(icmp(8, data=b'bits'), proto=1, off=bits))
    for tos in range(256):
        wire.ip(ip(good, tos=tos))
    return {'ip.badvers': 15, 'ip.badhlen': 5, 'ip.badlen': len(short), 'ip.tooshort': len(long), 'ip.toosmall': 20, 'ip.noproto': 200}


def ip_options(wire):
    bad = 0
    for kind in range(2, 256):
        for length in (0, 1, 2, 3, 4, 8, 11, 39, 40, 41, 255):
            wire.ip(ip(udp(5000, 9, b'options'), options=(bytes([kind, length]) + b'\x04' * 38)[:40]))
            bad += length < 2 or length > 40 or kind in (131, 137)
    for route in (131, 137, 7, 68):
        for pointer in (0, 1, 3, 4, 5, 36, 40, 255):
            wire.ip(ip(icmp(8, data=b'route'), proto=1, options=bytes([route, 39, pointer]) + b'\x0a\x4d\0\1' * 9 + b'\0'))
            bad += route in (131, 137)
    wire.ip(ip(icmp(8), proto=1, options=b'\1' * 40))
    wire.ip(ip(icmp(8), proto=1, options=b'\1' * 39 + b'\x07'))
    return {'ip.badoptions': bad + 1}


def option_lists():
    """TCP options of every kind with every length, and lists that are wrong in themselves."""
    for kind in range(256):
        for length in (0, 1, 2, 3, 4, 9, 10, 11, 34, 40, 41, 255):
            yield (bytes([kind, length]) + b'\xff' * 38)[:40]
    for length in range(2, 41):
        yield (bytes([5, length]) + struct.pack('!II', 0xffffffff, 0) * 5)[:40]
    for mss in (0, 1, 7, 8, 40, 215, 65535):
        yield b'\2\4' + struct.pack('!H', mss)
    for shift in (0, 14, 15, 255):
        yield b'\3\3' + bytes([shift]) + b'\1'
    yield b'\1' * 40
    yield b'\1' * 39 + b'\2'
    yield b'\2\4\5\xb4' * 10
    yield b'\4\2' * 20
    yield b'\x08\x0a' + b'\0' * 8 + b'\1\1'


def tcp_options(wire):
    sent = 0
    # In SYNs of nobody: a port that listens, and resets them as soon as they are answered.
    for number, options in enumerate(option_lists()):
        port = 30000 + number % 20000
        wire.ip(ip(tcp(port, 7, 1000, 0, SYN, options=padded(options)), proto=6))
        wire.ip(ip(tcp(port, 7, 1001, 0, RST), proto=6))
        sent += 1
    # In an established connection, before the window; and in one of this program's own, in order.
    peer = Peer(wire)
    for options in option_lists():
        # In its place a timestamp would be believed, as it should be.
        peer.forge(ACK, seq=-100, options=padded(options))
        sent += 1
    peer.close()
    ghost = Ghost(wire, 7)
    for options in option_lists():
        ghost.send(ACK, b'o', options=padded(options))
        ghost.seq += 1
        sent += 1
    ghost.reset()
    return {'tcp.rcvtotal': sent}


def tcp_headers(wire):
    peer = Peer(wire)
    offsets = 0
    for doff in range(16):
        for data in (b'', b'x' * 7, b'x' * 60):
            for port in (7, 80, 4):
                wire.ip(ip(tcp(33000, port, 1, 1, ACK, data=data, doff=doff), proto=6))
                offsets += doff < 5 or doff * 4 > 20 + len(data)
            peer.forge(ACK, seq=-100, data=data, doff=doff, options=b'')
            offsets += doff < 5 or doff * 4 > 20 + len(data)
    for cut in range(20):
        wire.ip(ip(tcp(33000, 80, 1, 1, SYN, cut=cut), proto=6))
    # Every set of flags against a closed port, a listener, and a connection (with old data).
    for flags in range(256):
        for port in (4, 7, 80):
            wire.ip(ip(tcp(34000 + flags, port, 77, 88, flags, data=b'flags'), proto=6))
            wire.ip(ip(tcp(34000 + flags, port, 78, 0, RST), proto=6))
        peer.forge(flags, seq=-50000, data=b'flags')
    for sport, dport in ((0, 80), (0, 0), (80, 0), (80, 80), (65535, 65535)):
        wire.ip(ip(tcp(sport, dport, 1, 0, SYN), proto=6))
    peer.close()
    return {'tcp.rcvshort': 20, 'tcp.rcvbadoff': offsets}


def fragment(wire, ident, start, data, more, proto=1, src=KERNEL):
    wire.ip(ip(data, proto=proto, ident=ident, off=(0x2000 if more else 0) | start >> 3, src=src))


def fragments(wire):
    ident = itertools.count(1000)
    message = icmp(8, data=bytes(range(256)) * 5)
    # teardrop: the second lies within the first.
    for inner in (8, 16, 24, 32):
        n = next(ident)
        fragment(wire, n, 0, message[:64], True)
        fragment(wire, n, inner, message[inner:inner + 8], False)
    # Every order of pieces that overlap at their beginnings, ends, and wholly.
    pieces = [(0, 512, True), (256, 768, True), (504, 1024, True), (0, 1280, True), (1024, 1288, False)]
    overlapping = 4
    for order in itertools.permutations(pieces):
        n = next(ident)
        overlapping += 1
        for start, end, more in order:
            fragment(wire, n, start, message[start:end], more)
    # Tiny: a TCP header in pieces of eight bytes, in every order; and with the flags rewritten (RFC 1858).
    segment = tcp(35000, 80, 9, 0, SYN, options=SYN_OPTIONS * 5)
    tiny = [(at, min(at + 8, len(segment))) for at in range(0, len(segment), 8)]
    for order in itertools.permutations(tiny):
        n = next(ident)
        for start, end in order:
            fragment(wire, n, start, segment[start:end], end < len(segment), proto=6)
    for flags in (SYN, RST, 255):
        n = next(ident)
        fragment(wire, n, 0, segment[:16], True, proto=6)
        fragment(wire, n, 8, struct.pack('!IBBHHH', 0, 0x50, flags, 0, 0, 0) + b'....', False, proto=6)
        overlapping += 1
    # Beyond 64 KiB, alone and with all before it in place (ping of death).
    for start in (65528, 65512, 65480):
        fragment(wire, next(ident), start, b'd' * 400, False)
    n = next(ident)
    for start in range(0, 65120, 1480):
        fragment(wire, n, start, b'd' * 1480, True)
    fragment(wire, n, 65120, b'd' * 1480, False)
    # No data, not a multiple of eight, a last piece that is not the last, more after the end.
    fragment(wire, next(ident), 0, b'', True)
    fragment(wire, next(ident), 800, b'', False)
    for size in range(1, 8):
        fragment(wire, next(ident), 0, b'm' * (64 + size), True)
    n = next(ident)
    fragment(wire, n, 64, b'e' * 8, False)
    fragment(wire, n, 32, b'e' * 8, False)
    n = next(ident)
    fragment(wire, n, 64, b'e' * 8, False)
    fragment(wire, n, 72, b'e' * 8, True)
    # The same again and again, with other contents.
    n = next(ident)
    for byte in range(200):
        fragment(wire, n, 8, bytes([byte]) * 64, True)
    return {'ip.fragoverlap': overlapping // 2, 'ip.fragdropped': 200, 'ip.fragments': wire.sent}


def icmp_forged(wire):
    peer = Peer(wire)
    sent = 0
    for kind in (3, 4, 11, 12):
        for code in range(17):
            for seq in (0, -1, 1, 1 << 20, 1 << 31):
                wire.ip(ip(icmp(kind, code, data=peer.quoted(seq) ), proto=1))
                sent += 1
    for mtu in (0, 1, 20, 40, 68, 69, 255, 256, 295, 296, 552, 1499, 1500, 1501, 65535):
        for seq in (0, -1, 1, 1 << 31):
            wire.ip(ip(icmp(3, 4, struct.pack('!HH', 0, mtu), peer.quoted(seq)), proto=1))
            sent += 1
    # Connections that do not exist, or are none of ours.
    for src, dst in ((IMAGE, '8.8.8.8'), ('8.8.8.8', IMAGE), (KERNEL, IMAGE), ('127.0.0.1', '127.0.0.1'), (IMAGE, IMAGE)):
        for proto in (6, 17, 1, 2, 250):
            quoted = ip(struct.pack('!HHI', 7, peer.sport, 1), src=src, dst=dst, proto=proto)
            for kind, code in ((3, 1), (3, 3), (3, 4), (5, 1), (11, 0), (12, 0)):
                wire.ip(ip(icmp(kind, code, data=quoted), proto=1))
                sent += 1
    # Quotations that are cut off, or lie about themselves; errors about errors.
    for cut in range(29):
        wire.ip(ip(icmp(3, 1, data=peer.quoted()[:cut]), proto=1))
    for vhl in (0, 0x40, 0x44, 0x4f, 0x65, 0xff):
        wire.ip(ip(icmp(3, 1, data=bytes([vhl]) + peer.quoted()[1:]), proto=1))
    wire.ip(ip(icmp(3, 1, data=ip(icmp(3, 1, data=peer.quoted()), src=IMAGE, dst=KERNEL, proto=1)), proto=1))
    # Redirects: to us, to others, to what is no gateway, from who is none.
    for gateway in (KERNEL, IMAGE, GHOST, '0.0.0.0', '255.255.255.255', '224.0.0.1', '127.0.0.1', '1.2.3.4'):
        for code in range(5):
            rest = bytes(int(part) for part in gateway.split('.'))
            wire.ip(ip(icmp(5, code, rest, peer.quoted()), proto=1))
            wire.ip(ip(icmp(5, code, rest, peer.quoted()), proto=1, src='10.77.0.9'))
    for kind in range(256):
        for code in (0, 1, 255):
            wire.ip(ip(icmp(kind, code, data=b'q' * 32), proto=1))
    for size in range(8):
        wire.ip(ip(icmp(8, data=b'')[:size], proto=1))
    peer.close()
    return {'icmp.inunreach': 17 * 5 + 60, 'icmp.inredirect': 80, 'icmp.inquench': 17 * 5, 'icmp.tooshort': 8, 'icmp.badlen': 20}


def tcp_forged(wire):
    peer = Peer(wire)
    guesses(peer)
    peer.survives()
    # And as somebody who cannot see the timestamps: without, and with those of another age (PAWS).
    right = peer.stamp
    for stamp in (b'', right[:4] + bytes(8), right[:4] + b'\x7f' * 8, right[:4] + b'\xff' * 8):
        peer.stamp = stamp
        guesses(peer)
    peer.stamp = right
    for port in range(peer.sport + 1, peer.sport + 50):
        wire.ip(ip(tcp(port, 7, peer.mine, peer.theirs, RST), proto=6))
    peer.close()
    return {'tcp.badrst': 5, 'tcp.challengeack': 5, 'tcp.rcvacktoomuch': 1, 'tcp.pawsdrop': 1}


def guesses(peer):
    """What an attacker would send who knows everything but the exact next sequence number."""
    far = [1, 2, 100, 1000, 30000, 60000, 70000, 1 << 20, 1 << 30, (1 << 31) - 1, 1 << 31, -1, -2, -1000, -70000, -(1 << 30)]
    for seq in far:
        peer.forge(RST, seq=seq)
        peer.forge(RST | ACK, seq=seq)
        for ack in (0, 1, -1, 1 << 20, -(1 << 20), 1 << 31):
            peer.forge(ACK, seq=seq, ack=ack)
            peer.forge(FIN | ACK, seq=seq if seq < 0 or seq > 65535 else seq + (1 << 20), ack=ack)
    for seq in [0, *far]:
        peer.forge(SYN, seq=seq)
        peer.forge(SYN | ACK, seq=seq)
        peer.forge(SYN | FIN | RST, seq=seq or 1)
    # Acknowledgements of what was never sent, and far too old ones, in the right place.
    for ack in (1, 2, 100, 65535, 1 << 24, 1 << 31, -(1 << 26), -(1 << 30)):
        peer.forge(ACK, ack=ack)
        peer.forge(PSH | ACK, ack=ack, data=b'x') if ack > 0 or ack < -(1 << 20) else None
    # Data that is not there to be believed: before the window and beyond it.
    for seq in (-2, -5, -3000, 1 << 20, 1 << 30):
        peer.forge(PSH | ACK, seq=seq, data=b'L')
    peer.forge(0, data=b'no ACK')


def urgent(wire):
    ghost = Ghost(wire, 7)
    sent = 0
    for urp in (0, 1, 2, 5, 255, 1460, 32767, 32768, 65535):
        for data in (b'', b'u', b'urgent data'):
            ghost.send(URG | PSH | ACK, data, urp=urp)
            ghost.seq = ghost.seq + len(data) & 0xffffffff
            ghost.send(ACK, urp=urp)
            ghost.send(URG | ACK, b'old', seq=ghost.seq - 3, urp=urp)
            ghost.send(URG | ACK, b'later', seq=ghost.seq + 1000, urp=urp)
            sent += 3
    if not ghost.say(b'still there'):
        raise SystemExit('nothing is acknowledged after urgent pointers')
    ghost.send(URG | FIN | ACK, urp=65535)
    ghost.seq += 1
    ghost.wait(lambda s: s.flags & FIN, 2)
    ghost.send(ACK)
    ghost.reset()
    for urp in (0, 1, 65535):
        other = Ghost(wire, 9)
        other.send(URG | RST, urp=urp)
    peer = Peer(wire)
    for urp in (0, 1, 100, 65535):
        peer.forge(URG | ACK, urp=urp)
        peer.forge(URG | ACK, seq=-1, data=b'x', urp=urp)
    peer.close()
    return {'tcp.rcvurg': 3, 'tcp.rcvtotal': sent}


def answered(wire, ports):
    """What the image has sent to these ports, or by ICMP; the rest is of earlier groups."""
    found = []
    for frame in wire.drain(0.3):
        if frame[12:14] == b'\x08\0' and (frame[23] == 1 or frame[23] in (6, 17) and struct.unpack('!H', frame[36:38])[0] in ports):
            found.append(frame)
    return found


MARTIANS = ['127.0.0.1', '127.255.255.254', '255.255.255.255', '224.0.0.1', '239.255.255.250', '240.0.0.1', '254.1.2.3', '0.0.0.0', '0.1.2.3', NET, IMAGE]


def martians(wire):
    wire.drain()
    sent = 0
    for src in MARTIANS:
        packets = [
            ip(icmp(8, data=b'martian'), src=src, proto=1),
            ip(udp(7, 7, b'martian', src=src), src=src),
            ip(udp(5000, 3, b'martian', src=src), src=src),
            ip(tcp(80, 80, 1, 0, SYN, src=src), src=src, proto=6),      # LAND, where src is ours
            ip(tcp(40000, 80, 1, 0, SYN, src=src), src=src, proto=6),
            ip(tcp(40000, 4, 1, 1, ACK, src=src), src=src, proto=6),
        ]
        for packet in packets:
            wire.ip(packet)
            sent += 1
    for dst in ('255.255.255.255', NET, '224.0.0.1', '0.0.0.0', '127.0.0.1', '240.0.0.1'):
        wire.ip(ip(icmp(8, data=b'to all'), dst=dst, proto=1), to=b'\xff' * 6)
        wire.ip(ip(tcp(40001, 80, 1, 0, SYN, dst=dst), dst=dst, proto=6), to=b'\xff' * 6)
        wire.ip(ip(udp(5000, 3, b'to all', dst=dst), dst=dst), to=b'\xff' * 6)
    answers = answered(wire, (7, 80, 5000, 40000, 40001))
    if answers:
        raise SystemExit('%d answers to what comes from nowhere, the first: %s' % (len(answers), answers[0][14:60].hex()))
    return {'ip.badaddr': sent}


def checksums(wire):
    wire.drain()
    for bit in range(16):
        flip = 1 << bit
        for make, proto in ((lambda **c: icmp(8, data=b'checksum', **c), 1), (lambda **c: udp(5000, 7, b'checksum', **c), 17), (lambda **c: tcp(40002, 80, 1, 0, SYN, **c), 6)):
            good = make()
            at = {1: 2, 17: 6, 6: 16}[proto]
            right = struct.unpack('!H', good[at:at + 2])[0]
            wire.ip(ip(make(checksum=(right ^ flip) or flip), proto=proto))
            packet = ip(good, proto=proto)
            wire.ip(packet[:10] + struct.pack('!H', struct.unpack('!H', packet[10:12])[0] ^ flip) + packet[12:])
    answers = answered(wire, (5000, 40002))
    if answers:
        raise SystemExit('%d answers to wrong checksums' % len(answers))
    return {'ip.badsum': 48, 'icmp.badsum': 16, 'udp.badsum': 16, 'tcp.rcvbadsum': 16}


def udp_lengths(wire):
    short = 0
    for length in range(8):
        wire.ip(ip(udp(5000, 7, b'x' * 16, length=length)))
    for length in (25, 26, 1480, 65535):
        wire.ip(ip(udp(5000, 7, b'x' * 16, length=length)))
    for cut in range(8):
        wire.ip(ip(udp(5000, 7, b'')[:cut]))
        short += 1
    for sport, dport in ((0, 7), (7, 0), (0, 0), (7, 7), (19, 7), (65535, 65535)):
        wire.ip(ip(udp(sport, dport, b'ports')))
    for data in (b'', b'x', b'x' * 1472):
        wire.ip(ip(udp(5000, 7, data, checksum=0)))
    return {'udp.hdrops': short, 'udp.badlen': 12}


def ethernet(wire):
    body = ip(icmp(8, data=b'ether'), proto=1)
    for kind in (0, 1, 46, 1500, 1501, 0x0600, 0x8100, 0x86dd, 0x8847, 0x8863, 0x88a8, 0x88cc, 0x9000, 0xffff):
        for to in (wire.image_mac, b'\xff' * 6, bytes.fromhex('01005e000001'), GHOST_MAC, b'\0' * 6):
            wire.frame(to + wire.host_mac + struct.pack('!H', kind) + body)
    for source in (b'\xff' * 6, b'\0' * 6, bytes.fromhex('01005e000001'), wire.image_mac):
        wire.frame(wire.image_mac + source + struct.pack('!H', ETH_IP) + body)
    for cut in range(14, 60):
        wire.frame((wire.image_mac + wire.host_mac + struct.pack('!H', ETH_IP) + body + b'\0' * 60)[:cut])
    arp = struct.pack('!HHBBH', 1, ETH_IP, 6, 4, 1) + GHOST_MAC + b'\x0a\x4d\0\x42' + b'\0' * 6 + b'\x0a\x4d\0\2'
    for at, values in ((0, (0, 2, 6, 255)), (2, (0, 1, 255)), (4, (0, 1, 5, 7, 255)), (5, (0, 3, 5, 16, 255)), (7, (0, 3, 4, 9, 255))):
        for value in values:
            wire.frame(b'\xff' * 6 + GHOST_MAC + struct.pack('!H', ETH_ARP) + arp[:at] + bytes([value]) + arp[at + 1:])
    for cut in range(28):
        wire.frame(b'\xff' * 6 + GHOST_MAC + struct.pack('!H', ETH_ARP) + arp[:cut])
    # Senders that cannot be: broadcast, multicast, nothing, ourselves.
    for mac in (b'\xff' * 6, bytes.fromhex('01005e000001'), b'\0' * 6, wire.image_mac):
        for address in (b'\x0a\x4d\0\x42', b'\xe0\0\0\1', b'\xff\xff\xff\xff', b'\0\0\0\0'):
            wire.frame(b'\xff' * 6 + GHOST_MAC + struct.pack('!H', ETH_ARP) + arp[:8] + mac + address + arp[18:])
    return {}


def scapy_fuzz(wire):
    """Scapy's own idea of a bad packet: random values of the right types in every field that is not given."""
    for _ in range(250):
        for layer in (IP(dst=IMAGE, src=KERNEL) / fuzz(ICMP()), IP(dst=IMAGE, src=KERNEL) / fuzz(UDP(dport=7)), IP(dst=IMAGE, src=KERNEL) / fuzz(TCP(dport=80, sport=(36000, 37000))), fuzz(IP(dst=IMAGE, src=KERNEL, options=[])) / Raw(b'fuzz')):
            wire.frame(raw(Ether(dst=wire.image_mac.hex(':'), src=wire.host_mac.hex(':')) / layer))
    return {}


main({
    'ipHeaders': ip_headers, 'ipOptions': ip_options, 'tcpOptions': tcp_options, 'tcpHeaders': tcp_headers, 'fragments': fragments,
    'icmpForged': icmp_forged, 'tcpForged': tcp_forged, 'urgent': urgent, 'martians': martians, 'checksums': checksums,
    'udpLengths': udp_lengths, 'ethernet': ethernet, 'scapyFuzz': scapy_fuzz, 'flips': flips.flips,
})
