"""Valid frames with bytes changed, from a seed: what neither an author of tests nor of a stack thought of.

    template ─▶ 1 to 8 bytes changed ─▶ half of them with checksums made right again ─▶ the image

With checksums right a change reaches the code behind them. Templates: ARP, ICMP, UDP, TCP in all their
parts, fragments, IGMP and DHCP, and segments for a connection that exists. The Ethernet destination
stays, so that the frame arrives; all else may change.
"""
import random
import socket
import struct

from scapy.all import ARP, BOOTP, DHCP, ICMP, IP, TCP, UDP, Ether, Raw, fragment, raw

from wire import ACK, GHOST, GHOST_MAC, IMAGE, KERNEL, PSH, RST, SYN, Ghost, Peer, Segment, ip, sum16, tcp


def templates(wire):
    ether = Ether(dst=wire.image_mac.hex(':'), src=GHOST_MAC.hex(':'))
    host = IP(src=GHOST, dst=IMAGE)
    options = [('MSS', 1460), ('NOP', None), ('WScale', 7), ('SAckOK', b''), ('Timestamp', (1, 0))]
    frames = [
        ether / ARP(op=1, psrc=GHOST, pdst=IMAGE, hwsrc=GHOST_MAC.hex(':')),
        ether / ARP(op=2, psrc=GHOST, pdst=IMAGE, hwsrc=GHOST_MAC.hex(':'), hwdst=wire.image_mac.hex(':')),
        ether / host / ICMP() / Raw(bytes(56)),
        ether / host / ICMP(type=13),
        ether / host / ICMP(type=3, code=1) / IP(src=IMAGE, dst=KERNEL) / TCP(sport=80, dport=4000),
        ether / host / ICMP(type=3, code=4) / IP(src=IMAGE, dst=KERNEL) / UDP(sport=7, dport=4000),
        ether / host / UDP(sport=5000, dport=7) / Raw(b'echo this'),
        ether / host / UDP(sport=5000, dport=9) / Raw(bytes(1000)),
        ether / host / UDP(sport=67, dport=68) / BOOTP(op=2) / DHCP(options=[('message-type', 'offer'), 'end']),
        ether / host / TCP(sport=4001, dport=80, flags='S', options=options),
        ether / host / TCP(sport=4001, dport=80, flags='A', options=options[4:]) / Raw(b'GET / HTTP/1.1\r\n\r\n'),
        ether / host / TCP(sport=4002, dport=7, flags='FPU', urgptr=3) / Raw(bytes(100)),
        ether / IP(src=GHOST, dst='224.0.0.1', proto=2, ttl=1) / Raw(bytes.fromhex('1164ee9b00000000')),
        ether / IP(src=GHOST, dst=IMAGE, options=b'\x07\x27\x04' + bytes(37)) / ICMP(),
    ]
    frames += [ether / part for part in fragment(IP(src=GHOST, dst=IMAGE, id=77) / UDP(sport=5000, dport=7) / Raw(bytes(2000)), fragsize=800)]
    return [raw(frame) for frame in frames]


def repaired(frame):
    """Checksums right again, as far as there is a header to say where they are."""
    if frame[12:14] != b'\x08\0' or len(frame) < 34:
        return frame
    head = (frame[14] & 15) * 4
    total = struct.unpack('!H', frame[16:18])[0]
    if head < 20 or total < head or 14 + total > len(frame):
        return frame
    packet = bytearray(frame[14:14 + total])
    at = {1: 2, 2: 2, 6: 16, 17: 6}.get(packet[9])
    if at is not None and struct.unpack('!H', packet[6:8])[0] & 0x3fff == 0 and total >= head + at + 2:
        packet[head + at:head + at + 2] = b'\0\0'
        body = bytes(packet[head:])
        over = body if packet[9] in (1, 2) else bytes(packet[12:20]) + struct.pack('!BBH', 0, packet[9], len(body)) + body
        packet[head + at:head + at + 2] = struct.pack('!H', sum16(over))
    packet[10:12] = b'\0\0'
    packet[10:12] = struct.pack('!H', sum16(bytes(packet[:head])))
    return frame[:14] + bytes(packet) + frame[14 + total:]


def changed(frame, rng):
    """1 to 8 bytes behind the destination: a bit, a byte, an extreme; sometimes cut off or longer."""
    frame = bytearray(frame)
    # Most of what is interesting is in headers.
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(6, min(len(frame), 90) if rng.random() < 0.8 else len(frame))
        how = rng.random()
        frame[at] = frame[at] ^ 1 << rng.randrange(8) if how < 0.5 else rng.randrange(256) if how < 0.8 else rng.choice((0, 1, 127, 128, 255))
    if rng.random() < 0.05:
        frame = frame[:rng.randrange(14, len(frame))]
    if rng.random() < 0.02:
        frame += rng.randbytes(rng.randrange(1, 100))
    return bytes(frame[:1514])


def refuse(wire, silence):
    """Nobody wants the connections that a changed SYN has opened: what is not changed says so."""
    for frame in wire.drain(silence):
        if frame[12:14] == b'\x08\0' and frame[23] == 6 and Segment(frame).flags & (SYN | ACK) == SYN | ACK:
            answer = Segment(frame)
            address = socket.inet_ntoa(frame[30:34])
            wire.ip(ip(tcp(answer.dport, answer.sport, answer.ack, 0, RST, src=address), src=address, proto=6), source=GHOST_MAC)


def flips(wire, seed=1, count=20000):
    rng = random.Random(seed)
    frames = templates(wire)
    ghost = None
    for number in range(count):
        if number % 2000 == 0:
            # A connection that may not live long: changed segments of it, in sequence, are as good as real.
            if ghost is not None:
                ghost.reset()
            ghost = Ghost(wire, 7, options=b'\x02\x04\x05\xb4\x04\x02\x01\x01')
        if number % 4 == 0:
            live = ip(pack(ghost, rng), src=GHOST, proto=6)
            frame = wire.image_mac + GHOST_MAC + b'\x08\0' + live
        else:
            frame = rng.choice(frames)
        frame = changed(frame, rng)
        wire.frame(repaired(frame) if rng.random() < 0.5 else frame)
        if number % 100 == 99:
            refuse(wire, 0)
    ghost.reset()
    refuse(wire, 1.5)
    # A changed ARP may have told the image, or the kernel here, of an address that is not so.
    wire.forget()
    peer = Peer(wire)
    peer.close()
    return {}


def pack(ghost, rng):
    """A segment of the connection, with data at or near the place that is expected."""
    data = rng.randbytes(rng.choice((0, 1, 10, 200)))
    return tcp(ghost.sport, ghost.dport, ghost.seq + rng.choice((0, 0, 1, 100, -1)), ghost.ack, PSH | ACK, data=data, src=GHOST, options=rng.choice((b'', b'\1\1\x08\x0a' + bytes(8), b'\1\1\5\x0a' + bytes(8))))
