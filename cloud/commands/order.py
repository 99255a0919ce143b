# ruff: noqa: PLC0415  numerics are imported when a command runs, so that --help is quick
"""`cosmic-cloud order`: the order that SmartScan gives a layer, in one process and without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cosmic.commands import JsonOption, console, print_json, print_lines
from cosmic.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thermal.operators import Operator
    from thermal.part import Part


def order(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a prepared part.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="First map of the layer, npy, kelvin.  [default: ambient]"),
    ] = None,
    layer: Annotated[int, typer.Option(metavar="N", help="Layer, counted from 0.")] = 0,
    rule: Annotated[
        str, typer.Option(metavar="RULE", help="How the next cell is chosen: input or propagated.")
    ] = "input",
    operator: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="polynomial, steps, dense or opaque.  [default: the part's own]"),
    ] = None,
    matrices: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Your own matrices (.npy), imported beside the part: --operator opaque."),
    ] = None,
    blocks: Annotated[str, typer.Option(metavar="RxC", help="Cut of dense and opaque operators.")] = "1x1",
    precision: Annotated[
        str, typer.Option(metavar="TYPE", help="Of dense, opaque and polynomial operators.")
    ] = "float64",
    printed: Annotated[str, typer.Option(metavar="CELLS", help="Cells scanned already, in order: 3,17,4.")] = "",
    speculation: Annotated[
        bool, typer.Option("--speculation", help="Tell how often each predictor guesses the next cell.")
    ] = False,
    groups: Annotated[int, typer.Option(metavar="G", help="Groups of cells, for --speculation.")] = 25,
    json: JsonOption = False,
) -> None:
    """Print the order of a layer's cells, and how uniform the layer is after each window.

    Example: cosmic-cloud order gear --map map.npy --layer 3 --json
    """
    import numpy as np

    from thermal.maps import read_map
    from thermal.order import order_layer
    from thermal.part import load_part

    part = load_part(folder)
    geometry = part.geometry_of(layer)
    if map_file is None:
        map_K = np.full(geometry.elements, part.process.ambient_K, dtype=np.float32)
    else:
        map_K = read_map(map_file, geometry.elements)
    if matrices is not None and operator not in (None, "opaque"):
        raise UsageError(
            f"--matrices goes with --operator opaque, not {operator}", remedy="leave one of the two away"
        )
    variant = "opaque" if matrices is not None else operator or part.manifest.operator.variant
    carry = _operator(part, layer, variant, blocks, precision, matrices)
    if speculation and (rule != "input" or printed):
        raise UsageError(
            "--speculation goes without --rule and --printed",
            why="the predictors guess what the rule 'input' chooses over a whole layer",
            remedy="leave them away",
        )
    result = order_layer(part, layer, map_K, carry, rule=rule, printed=parse_cells(printed))
    document: dict[str, Any] = {
        "order": result.order,
        "uniformity": result.uniformity,
        "normaliser_K": part.process.melt_K,
        "rule": rule,
        "operator": carry.variant,
        "tolerance": carry.tolerance,
        "layer": layer,
        "digest": part.digest,
    }
    if speculation:
        _show_speculation(part, layer, map_K, carry, groups, document if json else None)
        return
    if json:
        print_json(document)
        return
    print_lines(
        f"order: {' '.join(str(cell) for cell in result.order)}",
        f"uniformity R (divided by {part.process.melt_K:g} K): mean {np.mean(result.uniformity):.6f}, "
        f"highest {max(result.uniformity):.6f}, last {result.uniformity[-1]:.6f}",
        f"rule {rule}, operator {carry.variant} with tolerance {carry.tolerance:g}, "
        f"layer {layer}, {len(result.order)} cells",
    )


def parse_cells(text: str) -> list[int]:
    """Read cell numbers with commas between them; empty: none.

    Raises:
        UsageError: one is not a whole number.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    for word in words:
        if not word.isdecimal():
            raise UsageError(f"'{word}' is not a cell", where="--printed", remedy="write them as 3,17,4")
    return [int(word) for word in words]


def _operator(part: Part, layer: int, variant: str, blocks: str, precision: str, matrices: Path | None) -> Operator:
    """Return the operator; dense ones are mapped where they lie beside the part, computed otherwise."""
    from cloud.commands.part import parse_blocks
    from thermal.operators import block_set_folder, build_operator, dense_from_files, import_matrices, imported

    geometry = part.geometry_of(layer)
    if variant not in ("dense", "opaque"):
        tolerance = part.manifest.operator.tolerance
        return build_operator(variant, geometry, part.process, tolerance, precision=precision)
    cut = parse_blocks(blocks)
    folder = part.folder
    if variant == "opaque":
        assert folder is not None
        if matrices is None:
            return imported(folder, part.digest, geometry, blocks=cut, precision=precision)
        return import_matrices(
            folder,
            part.digest,
            geometry,
            matrices,
            blocks=cut,
            precision=precision,
            announce=console().print,
        )
    if folder is not None and (block_set_folder(folder, geometry.number, cut, precision)).is_dir():
        return dense_from_files(folder, geometry, cut, precision, part.digest)
    return build_operator(variant, geometry, part.process, blocks=cut, precision=precision)


def _show_speculation(
    part: Part,
    layer: int,
    map_K: NDArray[np.float32],
    carry: Operator,
    groups: int,
    document: dict[str, Any] | None,
) -> None:
    """Print how the predictors did: as a table, or as more of `document`."""
    from dataclasses import asdict

    from thermal.speculation import measure_accuracy

    found = measure_accuracy(part, layer, map_K, groups=groups, operator=carry)
    if document is not None:
        guessed = {"predictors": [asdict(each) for each in found], "groups": groups}
        print_json({**document, **guessed, "cells": len(part.geometry_of(layer).cells)})
        return
    print_lines(
        f"{'predictor':<15} {'cell':>7} {'group':>7} {'best two':>9} {'their groups':>13} {'cost':>7}",
        *(
            f"{each.predictor:<15} {each.cells_right:>7.1%} {each.groups_right:>7.1%} "
            f"{each.best_two_cells:>9.1%} {each.best_two_groups:>13.1%} {each.cost_ratio:>7.1%}"
            for each in found
        ),
        f"share of windows guessed right, {groups} groups; cost as a share of the {carry.variant} operator's time",
    )
