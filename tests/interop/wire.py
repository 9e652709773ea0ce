"""What the hostile programs share: the wire itself, a TCP end that nobody else knows of, and counting.

    kernel of the namespace (10.77.0.1) ─┐
                                         ├─ tap0 ── the image (10.77.0.2)
    this program (10.77.0.66, raw)      ─┘

Frames go out through AF_PACKET as they are, right or wrong. 10.77.0.66 is an address that only this
program answers for, so that no honest stack sends resets into what it does. Scapy builds templates and
packets by name; where a field has to be impossible, bytes are put together here.
"""
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

IFACE = 'tap0'
KERNEL = '10.77.0.1'
IMAGE = '10.77.0.2'
GHOST = '10.77.0.66'
NET = '10.77.0.255'
GHOST_MAC = bytes.fromhex('02aabbccdd66')
ETH_IP, ETH_ARP = 0x0800, 0x0806
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def sum16(data):
    """Internet checksum of bytes (RFC 1071)."""
    if len(data) & 1:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(payload, src=KERNEL, dst=IMAGE, proto=17, ttl=64, ident=1, off=0, options=b'', vhl=None, length=None, checksum=None, tos=0):
    """An IPv4 packet; any field may be given wrongly, the checksum is right unless given."""
    vhl = (0x40 | (20 + len(options)) >> 2) if vhl is None else vhl
    length = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack('!BBHHHBBH4s4s', vhl, tos, length & 0xffff, ident & 0xffff, off, ttl, proto, 0, socket.inet_aton(src), socket.inet_aton(dst)) + options
    # A receiver sums as many bytes as the header claims.
    summed = (head + payload)[:max(20, (vhl & 15) * 4)]
    right = sum16(summed) if checksum is None else checksum
    return head[:10] + struct.pack('!H', right) + head[12:] + payload


def pseudo(src, dst, proto, body):
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack('!BBH', 0, proto, len(body))


def tcp(sport, dport, seq=0, ack=0, flags=ACK, win=65535, options=b'', data=b'', urp=0, doff=None, checksum=None, src=KERNEL, dst=IMAGE, cut=None):
    """A TCP segment; `cut` keeps so many bytes of it, with a checksum that is right for them."""
    doff = (20 + len(options)) // 4 if doff is None else doff
    body = struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, doff << 4 & 0xff, flags & 0xff, win, 0, urp) + options + data
    body = body if cut is None else body[:cut]
    if len(body) < 18:
        return body
    right = sum16(pseudo(src, dst, 6, body) + body) if checksum is None else checksum
    return body[:16] + struct.pack('!H', right) + body[18:]


def udp(sport, dport, data=b'', length=None, checksum=None, src=KERNEL, dst=IMAGE):
    length = 8 + len(data) if length is None else length
    body = struct.pack('!HHHH', sport, dport, length, 0) + data
    right = (sum16(pseudo(src, dst, 17, body) + body) or 0xffff) if checksum is None else checksum
    return body[:6] + struct.pack('!H', right) + body[8:]


def icmp(kind, code=0, rest=b'\0\0\0\0', data=b'', checksum=None):
    body = struct.pack('!BBH', kind, code, 0) + rest + data
    return body[:2] + struct.pack('!H', sum16(body) if checksum is None else checksum) + body[4:]


class Wire:
    """tap0 as it is: frames out, frames in."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        self.sock.bind((IFACE, 0))
        self.host_mac = self.sock.getsockname()[4]
        self.image_mac = self.learn()
        self.sent = 0

    def learn(self):
        """The image's Ethernet address, as the kernel has found it out."""
        for _ in range(50):
            out = subprocess.run(['ip', 'neigh', 'show', IMAGE], capture_output=True, text=True).stdout.split()
            if 'lladdr' in out:
                return bytes.fromhex(out[out.index('lladdr') + 1].replace(':', ''))
            subprocess.run(['ping', '-c1', '-W1', IMAGE], capture_output=True)
        raise SystemExit('the image does not answer ARP')

    def forget(self):
        """Have the kernel and the image find each other anew."""
        subprocess.run(['ip', 'neigh', 'flush', 'dev', IFACE], check=True)
        self.learn()

    def frame(self, frame):
        """Send bytes. A full queue is waited for, so nothing is lost before the image sees it."""
        while True:
            try:
                self.sock.send(frame)
                break
            except (BlockingIOError, OSError) as error:
                if getattr(error, 'errno', 0) not in (11, 105):
                    raise
                time.sleep(0.001)
        self.sent += 1
        # The image gets a turn: 100 frames are far below the length of tap0's queue.
        if self.sent % 100 == 0:
            time.sleep(0.002)

    def ip(self, packet, source=None, to=None):
        self.frame((to or self.image_mac) + (source or self.host_mac) + struct.pack('!H', ETH_IP) + packet)

    def receive(self, timeout):
        """The next frame that the image sent; None if there is none in time. Answers ARP for everybody else."""
        until = time.monotonic() + timeout
        while True:
            left = max(0, until - time.monotonic())
            if not select.select([self.sock], [], [], left)[0]:
                return None
            frame, address = self.sock.recvfrom(65600)
            if address[2] == 4 or frame[6:12] != self.image_mac:
                continue
            if frame[12:14] == b'\x08\x06' and frame[20:22] == b'\0\1' and frame[38:42] not in (socket.inet_aton(KERNEL), socket.inet_aton(IMAGE)):
                self.frame(frame[6:12] + GHOST_MAC + frame[12:20] + b'\0\2' + GHOST_MAC + frame[38:42] + frame[22:32])
                self.sent -= 1
                continue
            return frame

    def drain(self, timeout=0.05):
        """All frames until there is silence, or it has been long enough (others may be talking)."""
        frames = []
        until = time.monotonic() + 6 * timeout
        while True:
            frame = self.receive(timeout)
            if frame is None or timeout > 0 and time.monotonic() > until:
                return frames
            frames.append(frame)


class Segment:
    """A TCP segment out of the image."""

    def __init__(self, frame):
        head = (frame[14] & 15) * 4
        total = struct.unpack('!H', frame[16:18])[0]
        self.sport, self.dport, self.seq, self.ack, doff, self.flags, self.win = struct.unpack('!HHIIBBH', frame[14 + head:30 + head])
        self.data = frame[14 + head + (doff >> 4) * 4:14 + total]
        # Among established connections the timestamp is the only option of 12 bytes with two NOPs.
        options = frame[34 + head:14 + head + (doff >> 4) * 4]
        self.stamp = struct.unpack('!II', options[4:12]) if options[:4] == b'\1\1\x08\x0a' and len(options) >= 12 else None


class Ghost:
    """A connection of 10.77.0.66 to the image, in this program's hands."""

    ports = iter(range(20000 + os.getpid() % 8000, 60000))

    def __init__(self, wire, port, options=b'\x02\x04\x05\xb4', win=65535):
        self.wire, self.dport, self.sport, self.win = wire, port, next(Ghost.ports), win
        self.seq = struct.unpack('!I', os.urandom(4))[0] | 1
        self.ack = 0
        self.send(SYN, options=options, ack=0)
        answer = self.wait(lambda s: s.flags & (SYN | ACK) == SYN | ACK)
        if answer is None:
            raise SystemExit('port %d: no answer to a SYN' % port)
        self.seq += 1
        self.ack = answer.seq + 1 & 0xffffffff
        self.send(ACK)

    def send(self, flags, data=b'', seq=None, ack=None, **more):
        seq = self.seq if seq is None else seq
        ack = self.ack if ack is None else ack
        more.setdefault('win', self.win)
        body = tcp(self.sport, self.dport, seq, ack, flags, data=data, src=GHOST, **more)
        self.wire.ip(ip(body, src=GHOST, proto=6), source=GHOST_MAC)

    def wait(self, wanted, timeout=5):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            frame = self.wire.receive(until - time.monotonic())
            if frame is None:
                return None
            if frame[12:14] != b'\x08\0' or frame[23] != 6:
                continue
            segment = Segment(frame)
            if (segment.sport, segment.dport) == (self.dport, self.sport) and wanted(segment):
                return segment
        return None

    def say(self, data):
        """Send in order, wait for the acknowledgement."""
        self.send(PSH | ACK, data)
        self.seq = self.seq + len(data) & 0xffffffff
        return self.wait(lambda s: s.flags & ACK and s.ack == self.seq) is not None

    def reset(self):
        """End it at once. Where the image expects the next byte it says itself (RFC 5961 challenge)."""
        guess = self.seq
        for _ in range(20):
            self.wire.drain(0)
            self.send(RST, seq=guess)
            # Who is still there says where it stands; who is gone, with a reset.
            self.send(ACK, b'?', seq=guess - 1)
            answer = self.wait(lambda s: s.flags & (ACK | RST), 1)
            if answer is not None and answer.flags & RST:
                return
            if answer is not None:
                guess = answer.ack


class Peer:
    """A connection of the namespace's kernel to the echo service, and what an eavesdropper knows of it."""

    def __init__(self, wire):
        self.wire = wire
        wire.drain(0.02)
        self.sock = socket.create_connection((IMAGE, 7), timeout=10)
        self.sport = self.sock.getsockname()[1]
        self.mine = self.theirs = 0
        self.stamp = b''
        self.echo(b'first')

    def echo(self, data):
        """Say something and hear it again; learn where the sequence numbers are."""
        self.sock.sendall(data)
        got = b''
        while len(got) < len(data):
            part = self.sock.recv(65536)
            if not part:
                raise SystemExit('the connection was closed')
            got += part
        if got != data:
            raise SystemExit('the echo is not what was said')
        for frame in self.wire.drain(0.06):
            if frame[12:14] == b'\x08\0' and frame[23] == 6:
                segment = Segment(frame)
                if (segment.sport, segment.dport) == (7, self.sport):
                    self.mine = segment.ack
                    self.theirs = segment.seq + len(segment.data) & 0xffffffff
                    if segment.stamp is not None:
                        self.stamp = b'\1\1\x08\x0a' + struct.pack('!II', segment.stamp[1], segment.stamp[0])

    def forge(self, flags, seq=0, ack=0, **more):
        """A segment as if from the peer: seq and ack relative to what is true; its timestamp unless options are given."""
        more.setdefault('options', self.stamp)
        body = tcp(self.sport, 7, self.mine + seq, self.theirs + ack, flags, **more)
        self.wire.ip(ip(body, proto=6))

    def quoted(self, seq=0):
        """The beginning of a packet of the image's, as an ICMP error quotes it."""
        return ip(struct.pack('!HHI', 7, self.sport, self.theirs + seq & 0xffffffff), src=IMAGE, dst=KERNEL, proto=6, length=1500)

    def survives(self):
        """Echo 20 KB in pieces, so that segments of full size pass."""
        for _ in range(4):
            self.echo(os.urandom(5000))

    def close(self):
        self.survives()
        self.sock.close()


def main(groups):
    """Run the group named on the command line; what it sent, and which counters it must have moved, as JSON."""
    wire = Wire()
    name = sys.argv[1]
    counters = groups[name](wire, *[int(word) for word in sys.argv[2:]]) or {}
    print(json.dumps({'group': name, 'sent': wire.sent, 'counters': counters}))
