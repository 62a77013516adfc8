import type { Command } from "commander";
import { action, examples, reading } from "../command";
import type { DoctorOptions } from "../doctor/doctor";

export function addDoctor(program: Command): void {
  const doctor = program
    .command("doctor")
    .description(
      "Find out why the VPN does not work: look from this computer to the server, name the first thing that is broken and say how to mend it",
    )
    .option(
      "--no-probe",
      "only look, and change nothing: do not try to connect, for which a device is in the store for a moment",
    )
    .option(
      "--wait <seconds>",
      "how long to wait for the server's answer to a handshake (default: 10, and 40 where the server could not be told of the device)",
    )
    .addHelpText(
      "after",
      `${examples(
        ["stingy doctor", "look at everything, and try to connect"],
        ["stingy doctor --no-probe", "only look"],
        ["stingy doctor --json | jq '.findings[].id'", "what is wrong, for a script"],
      )}

It exits with 0 where all is well and with 2 where something is broken, needs attention or could not be looked at.
docs/troubleshooting.md tells of each finding.`,
    )
    .action(
      action<DoctorOptions>(async (context, options) => {
        const { doctor: run } = require("../doctor/doctor") as typeof import("../doctor/doctor");
        return run(context, options);
      }),
    );
  reading(doctor);
}
