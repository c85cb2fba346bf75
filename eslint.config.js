import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', 'node_modules', '.tap'] }),
  {
    rules: {
      // A promise that nobody awaits is marked as meant.
      'no-void': ['error', { allowAsStatement: true }],
      // A TypeBox schema and its static type share one name; TypeScript itself refuses real redeclarations.
      '@typescript-eslint/no-redeclare': 'off'
    }
  }
]
