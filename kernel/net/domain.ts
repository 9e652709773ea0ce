/**
 * The protocol switch: which Protosw answers socket(family, type, protocol).
 *
 * A component registers one Protosw per (family, type, protocol) in its NET init phase. netinet and
 * sockin register the same triples under AF_INET and AF_INET6 and cannot be linked together; apps and
 * the host see no difference. Raw sockets are one Protosw with PR_WILDCARD that takes any number.
 *
 * A table of at most DOMAIN_MAXPROTO pointers, scanned linearly: only socket(2) looks here.
 */
import { EAFNOSUPPORT, EPROTONOSUPPORT, EPROTOTYPE } from "../abi/errno";
import { SOCK_RAW } from "../abi/socket";
import { kmem_alloc } from "../kern/kmem";
import { Protosw, PR_WILDCARD } from "./protosw";

export const DOMAIN_MAXPROTO: u32 = 32;

@unmanaged
class DomState {
  dom_nproto: u32;
  /** Address of Protosw[DOMAIN_MAXPROTO]. */
  dom_protos: usize;
}

let domst: DomState = changetype<DomState>(0);

/** Make the empty table. Called once by net_init(), before any component's NET phase. */
export function domaininit(): void {
  domst = changetype<DomState>(kmem_alloc(offsetof<DomState>(), 64, "domain"));
  domst.dom_protos = kmem_alloc(<usize>DOMAIN_MAXPROTO << alignof<usize>(), 8, "domain.protos");
}

function protoat(i: u32): Protosw {
  return changetype<Protosw>(load<usize>(domst.dom_protos + (<usize>i << alignof<usize>())));
}

/**
 * Register a protocol of `family`; pr_type, pr_protocol, pr_flags and the buffer sizes must be set.
 * Panics when the triple is taken (two providers of one domain in an image) or the table is full.
 */
export function domain_register(family: i32, proto: Protosw): void {
  assert(domst.dom_nproto < DOMAIN_MAXPROTO, "domain_register: table full");
  assert(proto.pr_type > 0, "domain_register: no type");
  proto.pr_family = family;
  for (let i: u32 = 0; i < domst.dom_nproto; i++) {
    const p = protoat(i);
    assert(p.pr_family != family || p.pr_type != proto.pr_type || p.pr_protocol != proto.pr_protocol,
      "domain_register: protocol registered twice");
  }
  store<usize>(domst.dom_protos + (<usize>domst.dom_nproto << alignof<usize>()), changetype<usize>(proto));
  domst.dom_nproto++;
}

/** The first protocol of `family` with `type`, or 0. */
export function pffindtype(family: i32, type: i32): Protosw {
  for (let i: u32 = 0; i < domst.dom_nproto; i++) {
    const p = protoat(i);
    if (p.pr_family == family && p.pr_type == type) return p;
  }
  return changetype<Protosw>(0);
}

/**
 * The protocol `protocol` of `family`, of type `type` if it exists with that type, else with another
 * type (so that the caller can tell EPROTOTYPE from EPROTONOSUPPORT), or 0. SOCK_RAW falls back on
 * the family's wildcard.
 */
export function pffindproto(family: i32, type: i32, protocol: i32): Protosw {
  let other = changetype<Protosw>(0);
  let wild = changetype<Protosw>(0);
  for (let i: u32 = 0; i < domst.dom_nproto; i++) {
    const p = protoat(i);
    if (p.pr_family != family) continue;
    if (type == SOCK_RAW && p.pr_type == SOCK_RAW && (p.pr_flags & PR_WILDCARD) != 0) wild = p;
    if (p.pr_protocol != protocol) continue;
    if (p.pr_type == type) return p;
    other = p;
  }
  return wild ? wild : other;
}

/** Whether any protocol of `family` is there. */
export function pffamily(family: i32): bool {
  for (let i: u32 = 0; i < domst.dom_nproto; i++) {
    if (protoat(i).pr_family == family) return true;
  }
  return false;
}

/**
 * Why socket(family, type, protocol) cannot be (the lookup answered 0 or another type): -EAFNOSUPPORT
 * for an unknown family, -EPROTOTYPE for a protocol of another type or a type that the family lacks,
 * -EPROTONOSUPPORT for an unknown protocol number.
 */
export function pfmissing(family: i32, type: i32, protocol: i32, found: Protosw): i32 {
  if (!pffamily(family)) return -EAFNOSUPPORT;
  if (found) return -EPROTOTYPE;
  return pffindtype(family, type) ? -EPROTONOSUPPORT : -EPROTOTYPE;
}
