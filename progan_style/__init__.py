"""Class-conditional generation of brain MR slices: a StyleGAN that grows.

    >>> from progan_style import EXAMPLE, generate, load_generator
    >>> G = load_generator(EXAMPLE)  # or the folder of your own run
    >>> images = generate(G, "AD", seeds=range(8), psi=0.7)  # uint8 [8, 1, 64, 64]

Use what was trained   load_generator, load_discriminator, generate, generator_features, latents,
                       condition_for, draw_conditions, conditions_in_words
Data                   load_folder, Dataset.from_arrays, prepare_study, prepare_slices, audit_folder, make_phantoms
Train                  load_config, load_data, Trainer, GrowthSchedule
Own parts              load_plugin, register_loss, register_augmentation, register_architecture (docs/plugins.md)
Pass on                export_generator

The commands are `progan-style COMMAND`; their report is the package `analysis`. The names below are the public ones;
each is imported when it is first used, so that a command's --help need not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:  # "as" tells type checkers that a name is for others
    from progan_style import distributed as distributed
    from progan_style.asking import (
        condition_for as condition_for,
        conditions_in_words as conditions_in_words,
        draw_conditions as draw_conditions,
    )
    from progan_style.audit.audit import audit_folder as audit_folder
    from progan_style.audit.likeness import likeness_of_pairs as likeness_of_pairs
    from progan_style.checkpoint import (
        load_discriminator as load_discriminator,
        load_run as load_run,
        untrained_like as untrained_like,
    )
    from progan_style.config import (
        DEFAULT_CONFIG as DEFAULT_CONFIG,
        Config as Config,
        config_text as config_text,
        find_overlay as find_overlay,
        load_config as load_config,
        refuse_changes as refuse_changes,
        save_config as save_config,
    )
    from progan_style.data.dataset import Data as Data, Dataset as Dataset
    from progan_style.data.loading import load_folder as load_folder
    from progan_style.data.packing import Allow as Allow
    from progan_style.data.share import persons_of_share as persons_of_share, write_share as write_share
    from progan_style.described import Category as Category, Conditions as Conditions, Number as Number
    from progan_style.export.program import export_generator as export_generator
    from progan_style.field import Field as Field, field_of as field_of, plane_of as plane_of
    from progan_style.files import (
        data_uri as data_uri,
        png_uri as png_uri,
        refuse_inside as refuse_inside,
        refuse_unwritable as refuse_unwritable,
        refuse_used as refuse_used,
        size_in_words as size_in_words,
    )
    from progan_style.memory import free_bytes as free_bytes, keep_freed as keep_freed
    from progan_style.networks.conditions import Condition as Condition
    from progan_style.networks.contract import Discriminator as Discriminator, Generator as Generator
    from progan_style.networks.layers import weights_channels_last as weights_channels_last
    from progan_style.page import (
        Grade as Grade,
        Listing as Listing,
        Page as Page,
        Picture as Picture,
        Row as Row,
        Section as Section,
        Table as Table,
        Text as Text,
        render_page as render_page,
    )
    from progan_style.phantoms.folder import make_phantoms as make_phantoms
    from progan_style.plugins import (
        add_plugin_option as add_plugin_option,
        load_plugin as load_plugin,
        load_plugins as load_plugins,
        plugin_digests as plugin_digests,
        register_architecture as register_architecture,
        register_augmentation as register_augmentation,
        register_loss as register_loss,
        register_part as register_part,
    )
    from progan_style.run import (
        EXAMPLE as EXAMPLE,
        finished_stage as finished_stage,
        finished_stages as finished_stages,
        generator_file as generator_file,
        images_seen as images_seen,
        is_finished as is_finished,
        load_data as load_data,
        load_generator as load_generator,
        refuse_slices_of_others as refuse_slices_of_others,
        refuse_without_checkpoint as refuse_without_checkpoint,
        run_config as run_config,
        stage_dir as stage_dir,
        with_unlabelled as with_unlabelled,
    )
    from progan_style.sampling import (
        centre as centre,
        choose_device as choose_device,
        generate as generate,
        generate_stack as generate_stack,
        generator_features as generator_features,
        latents as latents,
        to_float as to_float,
        to_uint8 as to_uint8,
        truncated as truncated,
    )
    from progan_style.scans.cutting import Cut as Cut
    from progan_style.scans.settings import PrepareSettings as PrepareSettings
    from progan_style.scans.slices import prepare_slices as prepare_slices
    from progan_style.scans.study import prepare_study as prepare_study
    from progan_style.training.forecast import forecast as forecast, machine_line as machine_line
    from progan_style.training.lock import refuse_busy as refuse_busy
    from progan_style.training.runlog import read_log as read_log, refuse_foreign as refuse_foreign
    from progan_style.training.schedule import GrowthSchedule as GrowthSchedule, Phase as Phase
    from progan_style.training.trainer import Trainer as Trainer
    from progan_style.vision import load_torchvision as load_torchvision

_HOME = {
    "Config": "config",
    "DEFAULT_CONFIG": "config",  # the path of hyperparameters.yaml
    "find_overlay": "config",  # configs/cpu.yaml, outside of a checkout too
    "load_config": "config",  # YAML + overlay + overrides -> Config
    "save_config": "config",
    "config_text": "config",  # the resolved configuration as YAML
    "refuse_changes": "config",  # a run goes on with the configuration it began with
    "EXAMPLE": "run",  # the path of a finished run that comes with the program
    "Data": "data.dataset",  # train, validate and test parts of one data set
    "Dataset": "data.dataset",  # images, labels, subjects of one part
    "load_folder": "data.loading",  # folder of slices -> Data
    "Allow": "data.packing",  # what a folder may hold beside sound slices
    "persons_of_share": "data.share",  # the slices of a share of the persons
    "write_share": "data.share",  # a data folder with a share of the training persons
    "make_phantoms": "phantoms.folder",  # the built-in data set, as a folder of slices
    "Cut": "scans.cutting",  # where slices are taken from a scan
    "PrepareSettings": "scans.settings",  # how slices get classes, splits and terms
    "prepare_study": "scans.study",  # scans -> a folder of slices, split by person
    "prepare_slices": "scans.slices",  # slices -> the same, split by person
    "audit_folder": "audit.audit",  # persons and copies on both sides of a split
    "likeness_of_pairs": "audit.likeness",  # how alike two slices are
    "load_data": "run",  # the Data of a Config
    "with_unlabelled": "run",  # a folder without diagnoses has one class
    "run_config": "run",  # the Config of a run's folder
    "stage_dir": "run",
    "generator_file": "run",  # the last generator of a stage, or its best by KID
    "free_bytes": "memory",
    "keep_freed": "memory",  # a process that makes many maps is faster where it keeps what it frees
    "finished_stage": "run",
    "finished_stages": "run",
    "images_seen": "run",
    "is_finished": "run",  # whether a stage's generator is that of its last image
    "refuse_busy": "training.lock",  # another training writes in the folder
    "refuse_foreign": "training.runlog",  # files of something else stand where a run's would
    "refuse_slices_of_others": "run",  # a run's numbers are not read beside slices that it did not learn from
    "refuse_without_checkpoint": "run",  # a folder whose checkpoint is gone is no new run
    "Field": "field",  # how many mm a picture shows, and which way it lies
    "plane_of": "field",
    "field_of": "field",  # of a data set, where it says so
    "GrowthSchedule": "training.schedule",
    "Phase": "training.schedule",
    "Trainer": "training.trainer",
    "export_generator": "export.program",  # a generator -> a file that runs with torch alone
    "load_plugin": "plugins",  # run a file that registers parts of its own
    "load_plugins": "plugins",
    "plugin_digests": "plugins",  # the loaded ones
    "add_plugin_option": "plugins",  # --plugin
    "register_loss": "plugins",
    "register_augmentation": "plugins",
    "register_architecture": "plugins",
    "register_part": "plugins",  # of any registry: a name once, taken out again with its plugin
    "machine_line": "training.forecast",  # what a training runs on, and how large it is
    "forecast": "training.forecast",  # how long a training will take here
    "Generator": "networks.contract",
    "Discriminator": "networks.contract",
    "Condition": "networks.conditions",  # class weights, position, numbers and categories of images
    "Conditions": "described",  # what a generator is conditioned on beside the class: G.described
    "Number": "described",  # one of them: an age, with its unit and range
    "Category": "described",  # one of them: a sex, with its names
    "condition_for": "asking",  # labels, {"age": 72} -> Condition
    "draw_conditions": "asking",  # what was not asked for, by the seeds
    "conditions_in_words": "asking",  # Condition -> ages, names of categories
    "weights_channels_last": "networks.layers",
    "load_generator": "run",  # a run's folder, or a generator's file -> a Generator
    "load_discriminator": "checkpoint",
    "load_run": "checkpoint",  # the state of a run
    "untrained_like": "checkpoint",  # same architecture, fresh weights
    "generate": "sampling",  # labels (or class weights), seeds -> uint8 images
    "generate_stack": "sampling",  # one seed at several heights -> uint8 images
    "latents": "sampling",  # seeds -> each image's z and noise
    "truncated": "sampling",  # z and condition -> styles, pulled towards the condition's centre
    "centre": "sampling",  # the mean style of a condition
    "generator_features": "sampling",  # labels, seeds -> last feature map on a coarse grid
    "choose_device": "sampling",
    "to_float": "sampling",
    "to_uint8": "sampling",
    "size_in_words": "files",
    "refuse_used": "files",  # nothing is written over that is of something else
    "refuse_unwritable": "files",  # told before the work that would fill the folder
    "refuse_inside": "files",  # what is written into a data folder would be data
    "data_uri": "files",  # bytes as an address inside a page
    "png_uri": "files",
    "Page": "page",  # what a page for people says, as records
    "Grade": "page",
    "Section": "page",
    "Picture": "page",
    "Row": "page",
    "Table": "page",
    "Text": "page",
    "Listing": "page",
    "render_page": "page",  # a Page -> HTML
    "read_log": "training.runlog",  # the lines of log.jsonl
    "load_torchvision": "vision",  # before anything that imports torchvision by itself
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module progan_style has no attribute {name}")
    return getattr(importlib.import_module(f"progan_style.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
