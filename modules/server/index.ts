export { type Image, imageOf } from "./images";
export { JournalReport, type JournalReportProps } from "./journal-report";
export { PeerReport, type PeerReportProps } from "./peer-report";
export { type ServerPolicyProps, serverPolicy } from "./server-policy";
export { ServerTemplate, type ServerTemplateProps } from "./server-template";
export { StableAddress, type StableAddressProps } from "./stable-address";
export { SyncTrigger, type SyncTriggerProps } from "./sync-trigger";
