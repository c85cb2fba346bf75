import { spawnSync } from 'node:child_process'

/*
 * What some tests need beyond npm. A machine without it leaves those tests out and says so; CI sets
 * SNAPSHOT_TESTS_REQUIRE_ALL, and then what is missing is an error.
 */
const isEverythingRequired = Boolean(process.env.SNAPSHOT_TESTS_REQUIRE_ALL)

/** For the `skip` option of a test: false where the requirement is met, else the reason. */
export function unless (isMet: boolean, reason: string): string | false {
  if (!isMet && isEverythingRequired) throw new Error(`SNAPSHOT_TESTS_REQUIRE_ALL is set, but ${reason}`)
  return isMet ? false : reason
}

/** The same for a program. */
export function unlessInstalled (program: string): string | false {
  return unless(spawnSync(program, ['--version']).error === undefined, `${program} is not installed`)
}

/** The same for tests that are too large for every day. */
export const unlessLarge: string | false = isEverythingRequired ? false : 'it takes gigabytes; set SNAPSHOT_TESTS_REQUIRE_ALL to run it'
