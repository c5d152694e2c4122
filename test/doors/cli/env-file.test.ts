import { expect, test } from 'vitest'
import { readEnvFile } from '../../../src/doors/cli/env-file.ts'

const valuesIn = (text: string): Record<string, string> => {
  const { variables, faults } = readEnvFile(text)
  expect(faults).toEqual([])
  return Object.fromEntries(variables.map(({ name, value }) => [name, value]))
}

test('a .env is read as it is written: empty values, comments, quotes, and quoted texts of several lines', () => {
  const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'
  expect(
    valuesIn(
      [
        'DEBUG=',
        '  # an indented comment',
        'PLAIN=abc # note',
        'KEY="abc" # note',
        "SINGLE='a#b\\n'  ",
        '  export SPACED = abc#def  ',
        `PEM="${pem}"`,
        'ESCAPED="a\\nb\\"c"',
        'NONE=# only a comment',
        'AFTER=1',
      ].join('\r\n'),
    ),
  ).toEqual({
    DEBUG: '',
    PLAIN: 'abc',
    KEY: 'abc',
    SINGLE: 'a#b\\n',
    SPACED: 'abc#def',
    PEM: pem,
    ESCAPED: 'a\nb"c',
    NONE: '',
    AFTER: '1',
  })
})

test('what cannot be understood is named by its line, also after a text of several lines', () => {
  expect(readEnvFile('A="1\n2"\nno assignment\nB="open\nA=2\nC="1" 2\n').faults).toEqual([
    { line: 3, why: 'no NAME=value' },
    { line: 4, why: 'something stands after the closing quote' },
  ])
  expect(readEnvFile('A="open\n').faults).toEqual([{ line: 1, why: 'a quote that is not closed' }])
  expect(readEnvFile('A=1\nA=2').faults).toEqual([{ line: 2, why: 'a name stands twice' }])
})
