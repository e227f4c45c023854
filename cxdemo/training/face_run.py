"""A training run of a face translator: goes on from where it stands, draws what it does."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cxdemo import images
from cxdemo.features import load_features
from cxdemo.losses import discriminator_loss
from cxdemo.networks import CascadedRefinement, PatchDiscriminator
from cxdemo.training.face_config import FaceTrainingConfig
from cxdemo.training.face_data import Faces, Pairs, describe, transport_plan
from cxdemo.training.face_losses import contextual_terms, cycle_terms
from cxdemo.training.loop import (
    Clock,
    load_state,
    save_network,
    save_state,
    step_size_at,
    update_average,
)

GENERATORS = ("generator", "back")
"""To the targets; and back, which only the peer has."""
PAIRING_LAYER = "conv4_2"
SHOWN = 12
"""Faces of the sheet that each validation draws."""


class FaceRun:
    """A training run: generator, optimiser, and where it stands.

    Args:
        config: What to do.
        folder: Where its state, log, pictures and results are; made if need be.
        sources: Faces of the domain to translate from.
        targets: Faces of the domain to translate to.
        accelerator: An `accelerate.Accelerator`; None: one is made.
    """

    def __init__(
        self,
        config: FaceTrainingConfig,
        folder: Path,
        sources: Faces,
        targets: Faces,
        *,
        accelerator: Any = None,
    ) -> None:
        if accelerator is None:
            from accelerate import Accelerator

            accelerator = Accelerator()
        self.config, self.folder, self.accelerator = config, folder, accelerator
        folder.mkdir(parents=True, exist_ok=True)
        self.pairs = Pairs(sources.train, targets.train, seed=config.seed)
        self.shown = sources.held[:: max(len(sources.held) // SHOWN, 1)][:SHOWN]
        self.step, self.cpu_seconds = 0, 0.0
        torch.manual_seed(config.seed)
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Any] = {}
        if config.method == "cx":
            self._build_contextual()
        else:
            self._build_cycle()
        self.averages = {
            name: copy.deepcopy(accelerator.unwrap_model(module)).eval()
            for name, module in self.modules.items()
            if name in GENERATORS
        }
        self._resume()

    def _build_contextual(self) -> None:
        config, device = self.config, self.accelerator.device
        self._add("generator", CascadedRefinement(config.channels))
        self._optimize("generator", config.step_size)
        self.features = load_features(
            "vgg16",
            sorted({*config.target_layers, *config.source_layers, PAIRING_LAYER}),
            pooling="average",
            device=device,
        )
        self.source_maps = self._extract(self.pairs.sources, config.source_layers)
        self.target_maps = self._extract(self.pairs.targets, config.target_layers)
        if config.pairing_temperature:
            self.pairs.plan = self._plan()

    def _plan(self) -> Tensor:
        """Which target each source is likely to see."""
        sources, targets = (
            describe(faces, self._extract(faces, (PAIRING_LAYER,))[PAIRING_LAYER])
            for faces in (self.pairs.sources, self.pairs.targets)
        )
        return transport_plan(sources, targets, self.config.pairing_temperature)

    def _build_cycle(self) -> None:
        for name in GENERATORS:
            self._add(name, CascadedRefinement(self.config.channels))
        for name in ("judge_target", "judge_source"):
            self._add(name, PatchDiscriminator())
        for name in tuple(self.modules):
            self._optimize(name, self.config.step_size)

    def _add(self, name: str, module: nn.Module) -> None:
        self.modules[name] = self.accelerator.prepare(module)

    def _optimize(self, name: str, step_size: float) -> None:
        adam = torch.optim.Adam(self.modules[name].parameters(), step_size, betas=(0.5, 0.99))
        self.optimizers[name] = self.accelerator.prepare(adam)

    @torch.no_grad()
    def _extract(self, faces: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Features of all faces of a domain, once, in half precision: each is drawn many times."""
        parts = [self.features(part.to(self.accelerator.device)) for part in faces.split(32)]
        return {layer: torch.cat([part[layer].half().cpu() for part in parts]) for layer in layers}

    def advance(self) -> dict[str, float]:
        """One step of the optimisers. Returns the weighted terms of the loss."""
        config, device = self.config, self.accelerator.device
        source, target = self.pairs.draw(
            self.step, config.batch_size, self.accelerator.process_index
        )
        faces = self.pairs.sources[source].to(device)
        wanted = self.pairs.targets[target].to(device)
        share = step_size_at(self.step, config.num_steps, config.warmup_steps)
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = share * config.step_size
        if config.method == "cx":
            losses = self._step_contextual(faces, wanted, source, target)
        else:
            losses = self._step_cycle(faces, wanted)
        for name, average in self.averages.items():
            network = self.accelerator.unwrap_model(self.modules[name])
            update_average(average, network, step=self.step, decay=config.decay)
        self.step += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _step_contextual(
        self, faces: Tensor, wanted: Tensor, source: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        device = self.accelerator.device
        losses = contextual_terms(
            self.modules["generator"](faces),
            wanted,
            self.features,
            {name: maps[source].to(device).float() for name, maps in self.source_maps.items()},
            {name: maps[target].to(device).float() for name, maps in self.target_maps.items()},
            self.config,
        )
        self._descend(losses, ("generator",))
        return losses

    def _step_cycle(self, faces: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        judges = ("judge_target", "judge_source")
        for name in judges:
            self.modules[name].requires_grad_(False)
        losses, (faked, returned) = cycle_terms(
            faces,
            wanted,
            (self.modules["generator"], self.modules["back"]),
            (self.modules[judges[0]], self.modules[judges[1]]),
        )
        self._descend(losses, GENERATORS)
        for name, real, fake in zip(judges, (wanted, faces), (faked, returned), strict=True):
            judge = self.modules[name].requires_grad_(True)
            losses[name] = discriminator_loss(judge(real), judge(fake))
            self._descend({name: losses[name]}, (name,))
        return losses

    def _descend(self, losses: dict[str, Tensor], names: tuple[str, ...]) -> None:
        for name in names:
            self.optimizers[name].zero_grad()
        self.accelerator.backward(torch.stack(list(losses.values())).sum())
        for name in names:
            self.accelerator.clip_grad_norm_(self.modules[name].parameters(), self.config.max_norm)
            self.optimizers[name].step()

    def run(self) -> Iterator[dict[str, float]]:
        """Steps until the end; yields the record of each validation."""
        sums: dict[str, float] = {}
        first, clock = self.step, Clock(self.save_state)
        while self.step < self.config.num_steps:
            began = time.process_time()
            for name, value in self.advance().items():
                sums[name] = sums.get(name, 0.0) + value
            self.cpu_seconds += time.process_time() - began
            if self.step % self.config.validate_every and self.step < self.config.num_steps:
                clock.tick()
                continue
            count = self.step - first
            record: dict[str, float] = {"step": self.step, "cpu_seconds": self.cpu_seconds}
            record |= {name: value / count for name, value in sums.items()}
            if self.accelerator.is_main_process:
                record |= self._validate()
                self._keep(record)
            yield record
            sums, first = {}, self.step

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Draws held-back faces and what becomes of them; how far they moved, how alike they are.

        "moved" is the mean absolute change of a pixel, "spread" the standard deviation between the
        results: a generator that collapses to one face has a spread of 0.
        """
        device = self.accelerator.device
        made = self.averages["generator"](self.shown.to(device)).cpu()
        strips = [[*self.shown.split(1)], [*made.split(1)]]
        sheet = images.contact_sheet(strips)
        sheet.save(self.folder / "validation.png")
        return {
            "moved": float((made - self.shown).abs().mean()),
            "spread": float(made.std(dim=0).mean()),
        }

    def _keep(self, record: dict[str, float]) -> None:
        """Writes the log, the parameters, and the state."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        for name, average in self.averages.items():
            save_network(average, self.folder / f"{name}.safetensors")
        self.save_state()

    def save_state(self) -> None:
        """`state.pt`, replaced as a whole, by the main process."""
        if not self.accelerator.is_main_process:
            return
        unwrap = self.accelerator.unwrap_model
        state = {
            "config": self.config.as_dict(),
            "step": self.step,
            "cpu_seconds": self.cpu_seconds,
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
            "modules": {name: unwrap(module).state_dict() for name, module in self.modules.items()},
            "optimizers": {name: adam.state_dict() for name, adam in self.optimizers.items()},
        }
        save_state(self.folder, state)

    def _resume(self) -> None:
        """Goes on from `state.pt`, if there is one."""
        same = ("method", self.config.method)
        state = load_state(self.folder, self.accelerator.device, same=same)
        if not state:
            return
        self.step, self.cpu_seconds = state["step"], state["cpu_seconds"]
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
        for name, module in self.modules.items():
            self.accelerator.unwrap_model(module).load_state_dict(state["modules"][name])
        for name, adam in self.optimizers.items():
            adam.load_state_dict(state["optimizers"][name])
