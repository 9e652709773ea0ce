/**
 * TCP_INFO by the host's API, over netinet: what both ends say of a transfer agrees with the transfer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tcpInfo } from '../../host/api/tcpInfo';
import { AF_INET, SOCK_DGRAM, SOCK_STREAM } from '../../kernel/abi/socket';
import { TCPI_S_ESTABLISHED, TCPI_S_LISTEN } from '../../kernel/abi/tcp_info';
import { Lab } from './lab';

const PORT = 5000;
const TOTAL = 100_000;

test('tcpInfo() counts the bytes and segments of a transfer at both ends', async () => {
  const lab = await Lab.make({ offload: false });
  try {
    const [a, b] = lab.kernels.map((kernel) => kernel.sys) as [typeof lab.kernels[0]['sys'], typeof lab.kernels[0]['sys']];
    const listener = a.socket(AF_INET, SOCK_STREAM);
    a.bind(listener, { family: 'IPv4', address: '0.0.0.0', port: PORT });
    a.listen(listener, 7);
    const client = b.socket(AF_INET, SOCK_STREAM);
    b.tryConnect(client, { family: 'IPv4', address: lab.address(0), port: PORT });
    lab.until(() => tcpInfo(a, listener).unacked === 1, 'the connection');
    assert.deepEqual([tcpInfo(a, listener).state, tcpInfo(a, listener).sacked], [TCPI_S_LISTEN, 7]);
    const { fd } = a.accept(listener);
    let sent = 0;
    let got = 0;
    const chunk = Buffer.alloc(10_000);
    lab.until(() => {
      if (sent < TOTAL) sent += Math.max(0, b.trySendto(client, chunk, null));
      const n = a.tryRecvfrom(fd);
      if (n > 0) got += n;
      return got === TOTAL && tcpInfo(b, client).unacked === 0;
    }, 'the transfer');
    const [out, into] = [tcpInfo(b, client), tcpInfo(a, fd)];
    assert.deepEqual([out.state, out.bytes_acked, out.bytes_sent - out.bytes_retrans, into.bytes_received], [TCPI_S_ESTABLISHED, TOTAL, TOTAL, TOTAL]);
    assert.ok(out.data_segs_out >= TOTAL / out.snd_mss, `${out.data_segs_out} segments of ${out.snd_mss}`);
    assert.equal(into.data_segs_in, out.data_segs_out);
    assert.ok(out.pmtu === 1500 && out.rto >= 200_000 && out.snd_cwnd >= 10, JSON.stringify(out));
    assert.throws(() => tcpInfo(b, b.socket(AF_INET, SOCK_DGRAM)), { code: 'ENOPROTOOPT' });
  } finally {
    await lab.close();
  }
});
