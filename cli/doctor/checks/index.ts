import type { Check } from "../check";
import { address, addressElsewhere } from "./address";
import { account, behindVpn, clock, configuration, credentials, outputs, reachable } from "./computer";
import { controller, deadLetters, errors, permission, problems, rules, runs } from "./controller";
import { deployed, stacks } from "./deployment";
import { authoritative, proxied, resolver } from "./dns";
import { alarms, metrics, subscriptions, webhook } from "./monitoring";
import { acl, firewall, firewallOut, route } from "./network";
import { agent, marks, one, running, serverClock, state, statusChecks, template } from "./server";
import { byHand, desiredState, instanceId, key, peers, token } from "./store";
import { handshake, internet, mtu, ping } from "./tunnel";

/** From this computer to the server, and then what looks after it: each after those it needs. */
export const CHECKS: readonly Check[] = [
  configuration,
  reachable,
  clock,
  behindVpn,
  credentials,
  account,
  deployed,
  stacks,
  outputs,
  desiredState,
  instanceId,
  key,
  byHand,
  peers,
  token,
  address,
  addressElsewhere,
  one,
  running,
  statusChecks,
  state,
  marks,
  template,
  agent,
  serverClock,
  firewall,
  firewallOut,
  route,
  acl,
  proxied,
  authoritative,
  resolver,
  handshake,
  ping,
  internet,
  mtu,
  controller,
  rules,
  permission,
  runs,
  errors,
  problems,
  deadLetters,
  alarms,
  subscriptions,
  webhook,
  metrics,
];
