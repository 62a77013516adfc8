import { DEFAULT_REGION } from "../../modules/config/defaults";
import { REGIONS } from "../../modules/config/regions";
import { prompt } from "../ask";
import type { InitOptions } from "../commands/init";
import { type Answers, answersFrom, type BackendAnswer, defaultNameIn, emailsFrom } from "./answers";
import { PLACES, siteNameOf } from "./places";
import { answersProblem } from "./text";

const ON_STDERR = { output: process.stderr };

/** Asks for what the options leave open. Each answer is checked as the configuration itself will be. */
export async function askFor(options: InitOptions & { readonly site?: string }): Promise<Answers> {
  const { input, select } = await import("@inquirer/prompts");
  let answers = answersFrom(options);
  const text = async (message: string, fallback: string, becomes: (given: string) => Answers) => {
    const given = await prompt(() =>
      input(
        { message, default: fallback, validate: (value) => problemText(becomes(value.trim() || fallback)) ?? true },
        ON_STDERR,
      ),
    );
    answers = becomes(given.trim() || fallback);
  };

  if (options.region === undefined) {
    const region = await prompt(() =>
      select(
        {
          message: "Where should the server be?",
          choices: [...REGIONS].map((value) => ({ value, name: `${value}  ${PLACES[value]}` })),
          default: REGIONS.find((known) => known === process.env.AWS_REGION) ?? DEFAULT_REGION.value,
          pageSize: 10,
        },
        ON_STDERR,
      ),
    );
    answers = { ...answers, region, site: options.site ?? siteNameOf(region) };
  }
  if (options.site === undefined) {
    await text("What is the site called?", answers.site, (site) => ({ ...answers, site }));
  }
  if (options.dnsZone === undefined) {
    await text("A domain of yours at Cloudflare, to give the server a name (none: Enter)", "", (zone) =>
      withDns(answers, zone, defaultNameIn(zone)),
    );
  }
  const zone = answers.dns?.zone;
  if (zone !== undefined && options.dnsName === undefined) {
    await text("The server's name", defaultNameIn(zone), (name) => withDns(answers, zone, name));
  }
  if (options.email === undefined) {
    await text("Who gets mail when a person is needed? (nobody: Enter)", "", (given) => ({
      ...answers,
      emails: emailsFrom([given]),
    }));
  }
  if (answers.backend === undefined) {
    const kind = await prompt(() =>
      select<BackendAnswer["type"]>(
        {
          message: "Where should Terraform keep its state?",
          choices: [
            { value: "local", name: "on this computer, in the folder state/" },
            { value: "s3", name: "in an S3 bucket that you have" },
            { value: "cloud", name: "at HCP Terraform" },
          ],
        },
        ON_STDERR,
      ),
    );
    if (kind === "s3") {
      await text("The bucket's name", "", (bucket) => ({
        ...answers,
        backend: { type: "s3", bucket, region: answers.region },
      }));
    }
    if (kind === "cloud") {
      await text("The organization's name", "", (organization) => ({
        ...answers,
        backend: { type: "cloud", organization },
      }));
    }
  }
  return answers;
}

function withDns({ dns: _, ...answers }: Answers, zone: string, name: string): Answers {
  return zone === "" ? answers : { ...answers, dns: { zone, name } };
}

/** The first of what is wrong, in one line. */
function problemText(answers: Answers): string | undefined {
  const [problem] = answersProblem(answers)?.problems ?? [];
  if (!problem) return undefined;
  const { given, problem: what, allowed } = problem;
  const subject = given === undefined ? "This" : JSON.stringify(given);
  return `${subject} ${what}${allowed === undefined ? "" : `. Allowed: ${allowed}`}`;
}
