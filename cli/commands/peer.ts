import { type Command, InvalidArgumentError, Option } from "commander";
import { GROUPS, LONGEST_KEEPALIVE } from "../../modules/wireguard/limits";
import { action, confirmed, examples, reading } from "../command";
import { DEVICE_DNS, DEVICE_KEEPALIVE_SECONDS } from "../peer/defaults";

export function addPeer(program: Command): void {
  const peer = program
    .command("peer")
    .description("Add, list, show, edit, rotate, remove, import and export the devices that may connect")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        ["stingy peer add phone", "a new device, with a QR code to scan"],
        ["stingy peer list", "who there is and who is connected"],
        ["stingy peer remove phone", "a device that is lost"],
      ),
    );

  handingOut(
    peer
      .command("add")
      .description("Add a device: choose its addresses, make its keys, show its configuration once")
      .argument("<name>", "what the device is called")
      .addOption(
        new Option("-g, --group <group>", "what it may reach (default: the site's access.defaultGroup)").choices(
          GROUPS,
        ),
      ),
  )
    .addHelpText(
      "after",
      examples(
        ["stingy peer add phone", "show the configuration and a QR code for the phone's app"],
        ["stingy peer add laptop --out laptop.conf", "write it into a file that only you can read"],
        ["stingy peer add tv --group internet", "a device that reaches the internet and nothing else"],
        ["stingy peer add work --allowed-ips split", "only the tunnel's and the VPC's networks go through it"],
        ["stingy peer add router --public-key KEY", "a device that made its own key"],
      ),
    )
    .action(
      action<import("../peer/add").AddOptions, [string]>(async (context, options, name) => {
        const { addPeer } = require("../peer/add") as typeof import("../peer/add");
        return addPeer(context, options, name);
      }),
    );

  reading(
    peer
      .command("list")
      .description("List every device: addresses, group, when it was last heard of, traffic as the server counts it")
      .option("--no-live", "do not ask the server who is connected"),
  )
    .addHelpText(
      "after",
      examples(
        ["stingy peer list", "a table; a device that was quiet for three minutes is idle"],
        ["stingy peer list --no-live", "what the store says, without asking the server"],
        ["stingy peer list --json | jq -r '.peers[].name'", "the names alone"],
      ),
    )
    .action(
      action<import("../peer/list").ListOptions>(async (context, options) => {
        const { listPeers } = require("../peer/list") as typeof import("../peer/list");
        return listPeers(context, options);
      }),
    );

  reading(
    peer
      .command("show")
      .description("Show one device, without its secrets: the private key is only on the device")
      .argument("<name>", "the device"),
  )
    .addHelpText(
      "after",
      examples(["stingy peer show phone", "everything known of it"], ["stingy peer show phone --json", "for scripts"]),
    )
    .action(
      action<{ json?: boolean }, [string]>(async (context, options, name) => {
        const { showPeer } = require("../peer/show") as typeof import("../peer/show");
        return showPeer(context, options, name);
      }),
    );

  peer
    .command("edit")
    .description("Change what a device may reach; its configuration stays as it is")
    .argument("<name>", "the device")
    .addOption(
      new Option(
        "-g, --group <group>",
        "what it may reach; default is what the site's access.defaultGroup says",
      ).choices([...GROUPS, "default"]),
    )
    .option(
      "--server-keepalive <seconds>",
      "how often the server sends a sign of life to the device; 0 is never. Only for a device that must be reachable while it is silent itself",
      seconds,
    )
    .addHelpText(
      "after",
      examples(
        ["stingy peer edit tv --group internet", "from now on the internet alone"],
        ["stingy peer edit tv --group default", "whatever the site's default is"],
      ),
    )
    .action(
      action<import("../peer/edit").EditOptions, [string]>(async (context, options, name) => {
        const { editPeer } = require("../peer/edit") as typeof import("../peer/edit");
        return editPeer(context, options, name);
      }),
    );

  handingOut(
    peer
      .command("rotate")
      .description("Give a device new keys, for one that may be in other hands; addresses and group stay")
      .argument("<name>", "the device"),
  )
    .addHelpText(
      "after",
      "\nWhat the device was given with --dns, --allowed-ips, --endpoint or --keepalive is kept on the device alone: give it again.",
    )
    .addHelpText(
      "after",
      examples(
        ["stingy peer rotate phone", "show the new configuration; says when the old key works no more"],
        ["stingy peer rotate laptop --out laptop-2.conf", "into a new file"],
      ),
    )
    .action(
      action<import("../peer/rotate").RotateOptions, [string]>(async (context, options, name) => {
        const { rotatePeer } = require("../peer/rotate") as typeof import("../peer/rotate");
        return rotatePeer(context, options, name);
      }),
    );

  confirmed(
    peer
      .command("remove")
      .description("Remove devices; all of them or, where a name is wrong, none")
      .argument("<names...>", "the devices"),
  )
    .addHelpText(
      "after",
      examples(
        ["stingy peer remove phone", "asks first"],
        ["stingy peer remove old-phone old-laptop --yes", "several, without asking"],
      ),
    )
    .action(
      action<{ yes?: boolean }, [string[]]>(async (context, options, names) => {
        const { removePeers } = require("../peer/remove") as typeof import("../peer/remove");
        return removePeers(context, options, names);
      }),
    );

  peer
    .command("import")
    .description("Take over the devices of another WireGuard server with their keys, so that none has to change")
    .requiredOption(
      "--from <file|folder>",
      "a server's wg0.conf, wg-easy's wg0.json, or a folder of devices' .conf files as algo makes it",
    )
    .option("--dry-run", "say what would be stored, and store nothing")
    .option("--without-server-key", "take over the devices alone; each then needs the new server's public key")
    .addHelpText(
      "after",
      examples(
        ["stingy peer import --from wg0.conf --dry-run", "see what would be taken over"],
        ["stingy peer import --from wg0.json", "from wg-easy, the server's key too"],
        ["stingy peer import --from configs/203.0.113.7/wireguard", "from algo"],
      ),
    )
    .action(
      action<import("../peer/import").ImportOptions>(async (context, options) => {
        const { importPeers } = require("../peer/import") as typeof import("../peer/import");
        return importPeers(context, options);
      }),
    );

  peer
    .command("export")
    .description("Write every device as a server's wg0.conf, with preshared keys, for a backup or another server")
    .option("-o, --out <file>", "write it into this new file, which only you can read, instead of showing it")
    .option("--with-private-key", "the server's private key too: whoever has the file can be the server")
    .addHelpText(
      "after",
      examples(
        ["stingy peer export --out wg0.conf --with-private-key", "all that another WireGuard server needs"],
        ["stingy peer export | grep Client:", "the names"],
      ),
    )
    .action(
      action<import("../peer/export").ExportOptions>(async (context, options) => {
        const { exportPeers } = require("../peer/export") as typeof import("../peer/export");
        return exportPeers(context, options);
      }),
    );
}

/** What a command takes that makes a device's configuration. */
function handingOut(command: Command): Command {
  return command
    .option("--public-key <key>", "the device's own public key; its private key never leaves it")
    .option(
      "--allowed-ips <networks>",
      "what goes through the tunnel: full, split (the tunnel's and the VPC's networks), or networks with commas (default: full)",
    )
    .option(
      "--dns <list>",
      `name servers and search domains with commas, or none (default: ${DEVICE_DNS.ipv4} and its IPv6 address where everything goes through the tunnel and its group reaches the internet, else none)`,
    )
    .option("--psk", "make a preshared key as well, a second secret (default)")
    .option("--no-psk", "without a preshared key, for devices that take none")
    .option(
      "--keepalive <seconds>",
      `how often the device sends a sign of life, so that routers keep its way open; 0 is never (default: ${DEVICE_KEEPALIVE_SECONDS})`,
      seconds,
    )
    .option("--endpoint <host>", "where the device finds the site (default: its DNS name, else its Elastic IP)")
    .option(
      "-o, --out <file>",
      "write the configuration into this new file, which only you can read, instead of showing it",
    )
    .option("--qr", "show the QR code where there is no terminal, or beside a file")
    .option("--png <file>", "write the QR code into this new file as a picture, instead of showing anything");
}

function seconds(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= LONGEST_KEEPALIVE) return number;
  throw new InvalidArgumentError(`It is a whole number of seconds from 0 to ${LONGEST_KEEPALIVE}.`);
}
