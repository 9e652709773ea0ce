/**
 * The package `rumpwasm`: boot images and talk to them.
 *
 *      import { boot } from 'rumpwasm';
 *      const kernel = await boot('SOCKIN', { volumes: [{ source: './site', mount: '/www' }] });
 */
export { boot, BootError, type BootOptions, type Volume } from './boot';
export { Kernel, type BootTimes, type Snapshot } from './kernel';
export {
  type Clock, type Entropy, seededEntropy, systemClock, systemEntropy, virtualClock, type VirtualClock,
} from './determinism';
export {
  errnoFromCode, errnoFromLinux, errnoFromNode, errnoName, errnoText, linuxFromErrno, SystemError,
} from './errtrans';
export { ImageError, imagePath, loadImage, packageRoot } from './imageFile';
export { KernelGoneError, type PanicFrame, ReentryError, RumpPanic } from './panic';
export { HostRing } from './hostRing';
export { ControlClient, type Started } from './control/client';
export { type InstanceStatus, listInstances, openInstance } from './control/instances';
export { ControlError } from './control/protocol';
export { type ControlOptions, ControlServer } from './control/server';
export type { ComponentHost, ComponentUser, HyperHost, Hypercall, Hypercalls } from './hyperHost';
export { logLevelNames, parseLogLevel } from './console';
export { LoadError, type Loaded } from './api/fsLoad';
export type { DirectoryEntry, FileStats } from './api/fsSync';
export { NetServer } from './api/netServer';
export { NetSocket } from './api/netSocket';
export { DgramSocket } from './api/dgram';
export { Pinger, type PingOptions, type PingReply, type PingSummary, type PingTrouble } from './api/ping';
export type { SockAddress } from './api/sockaddr';
export type { Kevent } from './api/sysSockets';
export { tcpInfo, type TcpInfo } from './api/tcpInfo';
export type { SysctlNode, SysctlValue } from './api/sysctl';
export type { BlockStore } from './bio';
export { fault, type FaultCounters, type Faults } from './netdev/fault';
export { Frame } from './netdev/frame';
export { Hub, hub, type HubOptions } from './netdev/hub';
export { formatMac, type Netdev, NetdevError, type NetdevPort, parseMac } from './netdev/netdev';
export { wireFrames } from './netdev/offload';
export { pcap, replay, type ReplayOptions } from './netdev/pcap';
export { type CapturedFrame, PcapWriter, readPcap } from './netdev/pcapFile';
export { qemu, type QemuOptions } from './netdev/qemu';
export { busFrames, createBus } from './netdev/shmBus';
export { registerBus, shmif, type ShmOptions } from './netdev/shmif';
export type { NetdevOption } from './netdev/spec';
export { tap, type TapOptions } from './netdev/tap';
export { type Timers, timersOf } from './netdev/timers';
export { InnerPort, Wrapper } from './netdev/wrapper';
export { parseTar, TarError } from './tar';
export { type WasiKind, wasiKinds } from './wasi/wasi';
