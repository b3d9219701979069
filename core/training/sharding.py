"""FSDP2: the layers of a model, their gradients and AdamW's moments in parts, one a process.

Each decoder layer is whole on a device only while it computes. Embeddings, last norm and output
layer, whose states are taken apart for the loss, stay whole everywhere, and their gradients are
summed as those of any other group of processes. Checkpoints are whole: one process writes what all
send it a weight at a time, under the names an unsplit run gives, so either can go on from the
other's.
"""

from __future__ import annotations

import copy
import pathlib
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.jobs import process_group
from core.model import loading
from core.model.output_layer import whole

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def check(*, method: str, keep: str, keep_every: int) -> None:
    """Refuse what a model in parts cannot do, before it is loaded.

    Raises:
        InputError: one process alone, four bits, or weights that are to be kept on the way.
    """
    if process_group.world() < 2:
        raise InputError("--shard splits a model over processes; add --processes 2 or more")
    if method == "qlora":
        raise InputError("--shard needs weights that are not in 4 bits; take --method lora or full")
    if keep == "best" or keep_every:
        raise InputError(
            "--shard keeps the last weights alone; leave --keep best and --keep-every away"
        )


class Sharded:
    """A model in parts, changed in place; made, asked and restored by all processes at once."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Split the layers of a model that every process holds whole, on any device.

        Raises:
            InputError: its layers are not known.
        """
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        process_group.barrier()
        inner: Any = whole(model)
        names = set(inner._no_split_modules or ())
        self.model = model
        self.layers = [n for n, m in model.named_modules() if type(m).__name__ in names]
        if not self.layers:
            raise InputError(
                f"{type(inner).__name__} does not say what its layers are, so it cannot be split; "
                "leave --shard away"
            )
        self.mesh = init_device_mesh(loading.device(), (process_group.world(),))
        self.plain = {name: _shape_of(model.get_submodule(name)) for name in self.layers}
        for name in self.layers:
            part: Any = fully_shard(
                model.get_submodule(name), mesh=self.mesh, reshard_after_forward=True
            )  # else an optimizer made after a look would train what is thrown away
            part.set_force_sum_reduction_for_comms(True)  # gloo has no other
            part.set_gradient_divide_factor(1.0)  # the sum, as of weights that are not split
        inner._is_distributed_loading_by_transformers = True  # the trainer leaves them as they are

    def whole_weights(self) -> dict[str, torch.Tensor]:
        """Return the state of the whole model, on the CPU of the first process; else nothing."""
        return _on_first(self.model.state_dict())

    def restore(self) -> None:
        """Make the model whole again on the CPU of the first process; the others' is of no use."""
        for name in self.layers:
            state = _on_first(self.model.get_submodule(name).state_dict())
            if process_group.main():
                self.plain[name].load_state_dict(state, assign=True)
            self.model.set_submodule(name, self.plain[name])
        whole(self.model)._is_distributed_loading_by_transformers = False
        if process_group.main():
            self.model.to("cpu")  # type: ignore[arg-type]


def whole_moments(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimizer's state with nothing split, on the first process; else what there is."""
    state = optimizer.state_dict()
    return {**state, "state": {i: _on_first(kept) for i, kept in state["state"].items()}}


def load_moments(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimizer a whole state, each moment split as its weight is.

    Args:
        optimizer: Of a model in parts.
        state: As it was saved, of a model in parts or not; its tensors are taken over.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    weights = [p for group in optimizer.param_groups for p in group["params"]]
    for i, kept in state["state"].items():
        of = weights[i]
        for key, value in kept.items():
            if isinstance(of, DTensor) and value.shape == of.shape:
                there = value.to(of.device)
                kept[key] = distribute_tensor(there, of.device_mesh, of.placements)
    for group in state["param_groups"]:  # kernels of an unsplit run take no parts
        group["fused"], group["foreach"] = None, False
    optimizer.load_state_dict(state)


def load_weights(model: PreTrainedModel, checkpoint: pathlib.Path) -> None:
    """Give a model that is still whole the weights of a checkpoint.

    Raises:
        InputError: the checkpoint lacks weights.
    """
    from safetensors.torch import load_file

    files = sorted(checkpoint.glob("*.safetensors"))
    state = {k: v for file in files for k, v in load_file(file).items()}
    if hasattr(model, "peft_config"):
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, state)
        return
    missing = set(model.load_state_dict(state, strict=False).missing_keys)
    model.tie_weights()
    if lost := sorted(missing - set(getattr(model, "all_tied_weights_keys", None) or ())):
        raise InputError(
            f"the saved checkpoint lacks {len(lost):,} weights ({lost[0]}...); delete this "
            "unfinished run and start again"
        )


def _on_first(state: dict[str, Any]) -> dict[str, Any]:
    """Gather tensors one after another, all processes in the same order."""
    from torch.distributed.tensor import DTensor

    gathered = {}
    for key, value in state.items():
        full = value.full_tensor() if isinstance(value, DTensor) else value
        if process_group.main():
            gathered[key] = full.detach().cpu() if hasattr(full, "detach") else full
    return gathered


def _shape_of(layer: torch.nn.Module) -> torch.nn.Module:
    """Copy a module without its weights: its shape, buffers and what it does with them."""
    import torch

    empty = {
        id(p): torch.nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in layer.parameters()
    }
    return copy.deepcopy(layer, empty)
