export {
  type ClientKey,
  capacity,
  checkPeerAddress,
  checkPeerAddresses,
  clientKeys,
  nextAddresses,
  type Tunnel,
  TunnelFullError,
} from "./addresses";
export {
  allowedIps,
  ConfigTextError,
  type DeviceConfig,
  deviceConfig,
  type InterfaceSection,
  joinEndpoint,
  type PeerSection,
  parseConfig,
  type Reachable,
  type Setting,
  splitEndpoint,
  type WireguardConfig,
  writeConfig,
} from "./config-text";
export {
  type Imported,
  type ImportedPeer,
  type ImportFile,
  importFiles,
  type ServerConfig,
  serverConfigText,
} from "./import";
export { generatePresharedKey, generatePrivateKey, isKey, KeyError, publicKeyOf } from "./keys";
export {
  GROUPS,
  type Group,
  isGroup,
  isPeerName,
  type ParsedPeer,
  PEER_NAME_RULE,
  parsePeer,
  type StoredPeer,
  writePeer,
} from "./peer";
