import { expect, test } from 'vitest'
import type { z } from 'zod'
import { factsOf } from '../../../src/doors/http/paths.ts'
import { openPath } from '../../../src/doors/http/routes/openapi.ts'
import { json, openHouse } from './house.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly security?: readonly unknown[]
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Record<string, unknown> }> }
  readonly responses: Record<
    string,
    { readonly content?: Record<string, { readonly schema: { required?: string[] } }> }
  >
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
}

test('the document has every route of the door, described, with its own id and no other', async () => {
  await using house = await openHouse()
  const document = (await json(await house.call('/openapi.json'))) as unknown as Document
  expect(document.openapi).toBe('3.1.0')
  const told = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(told.toSorted()).toEqual(
    house.door.routes.map(({ method, path }) => `${method} ${openPath(path).path}`).toSorted(),
  )
  const operations = Object.values(document.paths).flatMap((one) => Object.values(one))
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
  for (const { operationId, summary } of operations) expect(summary, operationId).not.toBe('Not described yet.')
  for (const [path, one] of Object.entries(document.paths)) {
    const named = [...path.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1])
    for (const { parameters = [] } of Object.values(one))
      expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(named)
  }
})

test('what lists and plain reads answer has the status, the media type and the parts that the document tells', async () => {
  await using house = await openHouse()
  const document = (await json(await house.call('/openapi.json'))) as unknown as Document
  const problems: Operation['responses'][string]['content'] = {
    'application/problem+json': { schema: { required: ['code', 'status', 'detail'] } },
  }
  let checked = 0
  for (const { method, path } of house.door.routes) {
    if (method !== 'GET' || path.includes(':') || path.startsWith('/login')) continue
    const answer = await house.call(path)
    const { responses } = document.paths[path]!['get']!
    // The problem document is told once for all refusals.
    const told = answer.status < 400 ? responses[String(answer.status)] : { content: problems }
    const given = answer.headers.get('content-type')!.split(';')[0]!
    expect(Object.keys(told?.content ?? {}), path).toContain(given)
    const { required } = told!.content![given]!.schema
    if (required !== undefined) expect(Object.keys(await json(answer)), path).toEqual(expect.arrayContaining(required))
    else await answer.body?.cancel()
    checked += 1
  }
  expect(checked).toBeGreaterThan(20)
})

test('the bodies that the document tells are the ones that are checked: a field too many, or one missing, is refused', async () => {
  await using house = await openHouse()
  let checked = 0
  for (const route of house.door.routes) {
    const { takes } = factsOf(route)
    if (route.method !== 'POST' || takes === undefined || typeof takes === 'string') continue
    const path = route.path.replaceAll(/\/:([a-z]+)(\{[^}]*\})?/g, '/1')
    const stray = await house.post(path, { 'a field that nobody knows': 1 })
    expect(stray.status, path).toBe(422)
    // Each field that the schema knows is known to the route: a wrong value is refused at its place.
    for (const field of Object.keys((takes as z.ZodObject).shape)) {
      if (takes.safeParse({ [field]: [[]] }).error?.issues.some(({ path: at }) => at[0] === field) !== true) continue
      const answer = await house.post(path, { [field]: [[]] })
      expect(String((await json(answer))['detail']), path).toMatch(new RegExp(`(^|; )${field}[:.]`))
    }
    const missing = takes.safeParse({})
    if (!missing.success) {
      const answer = await house.post(path, {})
      expect(answer.status, path).toBe(422)
      const { detail } = await json(answer)
      for (const issue of missing.error.issues) expect(detail, path).toContain(String(issue.path[0]))
    }
    checked += 1
  }
  expect(checked).toBeGreaterThan(12)
  expect(house.told).toEqual([])
})
