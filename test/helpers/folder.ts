import type { Test } from 'tap'

/**
 * A folder of the test's own, removed when all its teardowns are over. By itself tap removes it before those that were registered
 * after it, and where an application still writes there that fails, nothing is ever torn down, and the test does not end.
 */
export function testFolder (t: Test, content: Parameters<Test['testdir']>[0] = {}): string {
  t.teardown(() => {})
  return t.testdir(content)
}
