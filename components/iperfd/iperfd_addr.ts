/** Socket addresses of iperfd: PF_INET only, port as it lies in memory. */
import { AF_INET } from "../../kernel/abi/socket";
import { SA_FAMILY, SA_LEN, SIN_ADDR, SIN_PORT, SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";

/** Write a sockaddr_in at `p`: address and port in network order. */
export function sin_at(p: usize, addr: u32, port: u16): void {
  memory.fill(p, 0, SOCKADDR_IN_SIZE);
  store<u8>(p, <u8>SOCKADDR_IN_SIZE, SA_LEN);
  store<u8>(p, <u8>AF_INET, SA_FAMILY);
  store<u16>(p, port, SIN_PORT);
  store<u32>(p, addr, SIN_ADDR);
}
