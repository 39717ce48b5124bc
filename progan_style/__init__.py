"""Class-conditional generation of brain MR slices: a StyleGAN that grows.

The names below are the public ones; each is imported when it is first used, so that a shell's --help need not wait
for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from progan_style import distributed
    from progan_style.audit.audit import audit_folder
    from progan_style.checkpoint import load_discriminator, load_generator, untrained_like
    from progan_style.config import DEFAULT_CONFIG, Config, find_overlay, load_config, refuse_changes, save_config
    from progan_style.data.dataset import Data, Dataset
    from progan_style.data.loading import load_folder
    from progan_style.data.packing import Allow
    from progan_style.data.position import rank_of
    from progan_style.data.share import persons_of_share, write_share
    from progan_style.field import Field, field_of
    from progan_style.files import data_uri, png_uri
    from progan_style.networks.conditions import Condition
    from progan_style.networks.contract import Discriminator, Generator
    from progan_style.networks.layers import weights_channels_last
    from progan_style.phantoms.folder import make_phantoms
    from progan_style.run import (
        finished_stage,
        finished_stages,
        images_seen,
        load_data,
        run_config,
        stage_dir,
        with_unlabelled,
    )
    from progan_style.sampling import choose_device, generate, generator_features, latents, to_float, to_uint8
    from progan_style.scans.cutting import Cut
    from progan_style.scans.settings import PrepareSettings
    from progan_style.scans.slices import prepare_slices
    from progan_style.scans.study import prepare_study
    from progan_style.training.forecast import forecast, machine_line
    from progan_style.training.schedule import GrowthSchedule, Phase
    from progan_style.training.trainer import Trainer
    from progan_style.vision import load_torchvision

_HOME = {
    "Config": "config",
    "DEFAULT_CONFIG": "config",  # the path of hyperparameters.yaml
    "find_overlay": "config",  # configs/cpu.yaml, outside of a checkout too
    "load_config": "config",  # YAML + overlay + overrides -> Config
    "save_config": "config",
    "refuse_changes": "config",  # a run goes on with the configuration it began with
    "Data": "data.dataset",  # train, validate and test parts of one data set
    "Dataset": "data.dataset",  # images, labels, subjects of one part
    "load_folder": "data.loading",  # folder of slices -> Data
    "Allow": "data.packing",  # what may be wrong with a picture
    "persons_of_share": "data.share",  # the slices of a share of the persons
    "write_share": "data.share",  # a data folder with a share of the training persons
    "rank_of": "data.position",  # a slice's height -> what a generator knows of it
    "make_phantoms": "phantoms.folder",  # the built-in data set, as a folder of slices
    "Cut": "scans.cutting",  # where slices are taken from a scan
    "PrepareSettings": "scans.settings",  # how slices get classes, splits and terms
    "prepare_study": "scans.study",  # scans -> a folder of slices, split by person
    "prepare_slices": "scans.slices",  # slices -> the same, split by person
    "audit_folder": "audit.audit",  # persons and copies on both sides of a split
    "load_data": "run",  # the Data of a Config
    "with_unlabelled": "run",  # a folder without diagnoses has one class
    "run_config": "run",  # the Config of a run's folder
    "stage_dir": "run",
    "generator_file": "run",  # the last generator of a stage, or its best by KID
    "free_bytes": "memory",
    "finished_stage": "run",
    "finished_stages": "run",
    "images_seen": "run",
    "refuse_busy": "training.lock",  # another training writes in the folder
    "refuse_foreign": "training.runlog",  # files of something else stand where a run's would
    "refuse_slices_of_others": "run",  # a run's numbers are not read beside slices that it did not learn from
    "refuse_without_checkpoint": "run",  # a folder whose checkpoint is gone is no new run
    "Field": "field",  # how many mm a picture shows, and which way it lies
    "field_of": "field",  # of a data set, where it says so
    "GrowthSchedule": "training.schedule",
    "Phase": "training.schedule",
    "Trainer": "training.trainer",
    "machine_line": "training.forecast",  # what a training runs on, and how large it is
    "forecast": "training.forecast",  # how long a training will take here
    "Generator": "networks.contract",
    "Discriminator": "networks.contract",
    "Condition": "networks.conditions",  # class weights and position of images
    "weights_channels_last": "networks.layers",
    "load_generator": "checkpoint",
    "load_discriminator": "checkpoint",
    "untrained_like": "checkpoint",  # same architecture, fresh weights
    "generate": "sampling",  # labels (or class weights), seeds -> uint8 images
    "latents": "sampling",  # seeds -> each image's z and noise
    "truncated": "sampling",  # z and condition -> styles, pulled towards the condition's centre
    "centre": "sampling",  # the mean style of a condition
    "generator_features": "sampling",  # labels, seeds -> last feature map on a coarse grid
    "choose_device": "sampling",
    "to_float": "sampling",
    "to_uint8": "sampling",
    "size_in_words": "files",
    "refuse_used": "files",  # nothing is written over that is of something else
    "refuse_inside": "files",  # what is written into a data folder would be data
    "data_uri": "files",  # bytes as an address inside a page
    "png_uri": "files",
    "load_torchvision": "vision",  # before anything that imports torchvision by itself
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module progan_style has no attribute {name}")
    return getattr(importlib.import_module(f"progan_style.{_HOME[name]}"), name)
