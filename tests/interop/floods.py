"""Floods that try to have the image keep what it cannot use: `floods.py GROUP COUNT`."""
import struct
import time

from wire import ACK, GHOST, GHOST_MAC, PSH, Ghost, Peer, icmp, ip, main


def out_of_order(wire, count=4000):
    """COUNT segments of one byte on one connection, every second place of the window, last first."""
    ghost = Ghost(wire, 7, options=b'\x02\x04\x05\xb4\x04\x02\x01\x01')
    places = list(range(1, 2 * count, 2))
    for offset in reversed(places):
        ghost.send(ACK, b'.', seq=ghost.seq + offset)
    # Between the first ones, so that they are looked for from both ends.
    for offset in places[:count // 4]:
        ghost.send(ACK, b'.', seq=ghost.seq + offset)
    time.sleep(0.2)
    wire.drain(0)
    # The connection is of use still: the hole is filled, and all that was kept is acknowledged.
    ghost.send(PSH | ACK, b'x')
    answer = ghost.wait(lambda s: s.flags & ACK and s.ack != ghost.seq)
    if answer is None:
        raise SystemExit('the hole was filled, and nothing is acknowledged')
    ghost.seq = answer.ack
    if not ghost.say(b'still there'):
        raise SystemExit('nothing is acknowledged after the flood')
    ghost.reset()
    return {'tcp.rcvoopack': count}


def orphans(wire, count=20000):
    """COUNT fragments of as many datagrams, none of which will ever be whole; from 200 senders."""
    for n in range(count):
        body = icmp(8, data=b'f' * 1400)
        packet = ip(body[:1400], src='10.77.%d.%d' % (n % 200 // 100, 100 + n % 100), proto=1, ident=n, off=0x2000 | (n % 3) * 175)
        wire.ip(packet, source=GHOST_MAC)
    peer = Peer(wire)
    peer.close()
    return {'ip.fragments': count, 'ip.fragflood': count // 2}


main({'outOfOrder': out_of_order, 'orphans': orphans})
