/** The engines of `vm` cells, held to the one suite. */
import { vmConformance } from '../conformance/vm.ts'
import { quickEngine } from '../../src/cell/vm/quickjs.ts'

vmConformance('quickjs-wasi', quickEngine())
