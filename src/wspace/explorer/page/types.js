/**
 * What the explorer's parts exchange. Recipes, models and pictures are those of the studio's page.
 *
 * @import {Model, Recipe} from "../../studio/page/types.js"
 *
 * @typedef {object} Packed a file that was packed by gzip
 * @property {string} path from the page; of a page that is one file, the id of the element that holds it
 * @property {number} bytes packed
 * @property {number} unpacked bytes
 *
 * @typedef {object} Runtime what runs the graphs
 * @property {string} version of ONNX Runtime Web
 * @property {{script: string, binary: Packed}} wasm by the processor
 * @property {{script: string, binary: Packed} | null} webgpu by the graphics card
 *
 * @typedef {object} Steering what steering a model needs to know beyond what the page shows
 * @property {number} z_dim
 * @property {number[]} w_avg
 * @property {{name: string, layer: number, height: number, width: number}[]} noise the inputs for it
 * @property {{layer: number, first: number, channels: number}[]} styles
 *
 * @typedef {object} ExportedModel
 * @property {Model} model
 * @property {Steering} steering
 * @property {{mapping: Packed, synthesis: Packed, defaults: Packed}} graphs
 * @property {string} named as commands name it, and recipes
 * @property {string} command that draws a recipe, and the Python code that does
 * @property {string} python
 * @property {Recipe} previewed
 * @property {string} preview its picture, a PNG as a data: address
 * @property {string} weights how they are stored
 *
 * @typedef {object} Contents all that the explorer has
 * @property {string} version of wspace
 * @property {Runtime} runtime
 * @property {ExportedModel[]} models
 *
 * @typedef {object} Plan what synthesis is given for a picture, but for what its graph has by itself
 * @property {Float32Array} ws num_ws * w_dim
 * @property {(Float32Array | null)[]} noise one for each noise input; null: the stored one
 * @property {Float32Array | null} offsets of styles; null: none
 */

export {};
