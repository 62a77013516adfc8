/** `npm run lab:boot`: the rendered user data boots for real, in virtual machines that look like EC2's. */
import { writeFileSync } from "node:fs";
import { constants } from "node:os";
import { Machine, removeLeftOvers } from "../../server/harness/machine";
import { type Arguments, HELP, readArguments } from "./arguments";
import { keepEvidence } from "./evidence";
import { messageOf } from "./failure";
import { hostFacts, requireHost } from "./host";
import { getImage } from "./image";
import { Lab } from "./lab";
import { type Figures, Rehearsal } from "./rehearsal";
import { say, showFigures, showUnreal, step } from "./screen";

const INTERRUPTED = 128;
const WRONG_ARGUMENTS = 2;

// What exits has its namespaces, machines and folders removed by the listeners of `exit`.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => {
    process.stderr.write(`${signal}: everything is stopped and removed.\n`);
    process.exit(INTERRUPTED + constants.signals[signal]);
  });

async function main(given: Arguments): Promise<void> {
  requireHost();
  // Before all the work: a figure that cannot be written is noticed at once.
  if (given.json !== undefined) writeFileSync(given.json, "");
  for (const left of removeLeftOvers()) say(`left over by a run that was killed, now removed: ${left}`);
  const begun = performance.now();
  const image = await getImage(step);
  step(
    image.seconds === undefined
      ? `the image is there: ${image.folder}`
      : `the image was made in ${image.seconds.toFixed(0)} s`,
  );
  if (given.imageOnly) return;
  const figures: Figures = {
    host: hostFacts(),
    imageSeconds: image.seconds,
    boots: [],
    memory: [],
    units: {},
    longestGapMs: undefined,
    seconds: 0,
  };
  const lab = await Lab.start(image, given.once ? ["a"] : ["a", "b"]);
  step("AWS, an internet and a web host are there");
  try {
    const rehearsal = new Rehearsal(lab, figures);
    await (given.once ? rehearsal.once() : rehearsal.whole());
  } catch (error) {
    const guests = lab.instances.flatMap(({ guest }) => guest ?? []);
    process.stderr.write(`\n${await keepEvidence(guests)}\n`);
    throw error;
  } finally {
    figures.seconds = (performance.now() - begun) / 1000;
    if (figures.boots.length > 0) showFigures(figures);
    if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(figures, null, 2)}\n`);
  }
  await lab.stop();
  showUnreal();
  step("done");
}

let given: Arguments | undefined;
try {
  given = readArguments(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exitCode = WRONG_ARGUMENTS;
}
if (given?.help) process.stdout.write(HELP);
else if (given !== undefined)
  main(given)
    .catch((error: unknown) => {
      // Those are mistakes in this program, and its reader's is the place.
      const mistake = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
      process.stderr.write(`\nerror: ${mistake ? error.stack : messageOf(error)}\n`);
      process.exitCode = 1;
    })
    .finally(async () => {
      await Machine.stopAll();
      process.exit();
    });
