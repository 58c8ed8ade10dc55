"""FlowFormer: A Transformer Architecture for Optical Flow (ECCV 2022, arXiv 2203.16194)."""

from __future__ import annotations

from vsvfi.models.info import Checkpoint, EstimatorInfo, Layout

__all__ = ["INFOS", "RENAME", "UNUSED"]

RENAME = (
    (r"(^|\.)memory_encoder\.feat_encoder\.svt\.", r"\1feature_encoder."),
    (r"(^|\.)context_encoder\.svt\.", r"\1context_encoder."),
    (r"(^|\.)memory_encoder\.channel_convertor\.", r"\1channel_convertor."),
    (r"(^|\.)memory_encoder\.cost_perceiver_encoder\.", r"\1cost_encoder."),
    (r"(^|\.)memory_decoder\.decoder_layer\.cross_attend\.", r"\1decoder.cross_attention."),
    (r"(^|\.)memory_decoder\.", r"\1decoder."),
    (r"(encoder)\.pos_block\.(\d)\.proj\.0\.", r"\1.positions.\2."),
    (r"\.vertical_encoder_layers\.", ".vertical_layers."),
    (r"\.encoder_layers\.", ".latent_layers."),
    (r"\.ffn\.3\.", ".ffn.2."),
)
"""From the published names to ours, with or without a prefix."""

UNUSED = (r"(^|\.)memory_decoder\.att\.pos_emb\.", r"_encoder\.svt\.norm\.")
"""Tables of relative positions and the norm of a deleted stage: saved, never used."""

INFOS = (
    EstimatorInfo(
        name="flowformer",
        summary="optical flow: a transformer that encodes the cost volume into a latent memory",
        task="flow",
        build="vsvfi.nets.flowformer.network:build",
        estimate="vsvfi.nets.raft.network:estimate",
        title="FlowFormer: A Transformer Architecture for Optical Flow",
        arxiv="2203.16194",
        weights_license="Apache-2.0",
        multiple=8,
        minimum=64,
        padding="center",
        checkpoints=(
            Checkpoint(
                name="sintel",
                file="flowformer_sintel.pth",
                url="https://huggingface.co/GSean/GIMM-VFI",
                sources=("https://huggingface.co/GSean/GIMM-VFI/resolve/main/flowformer_sintel.pth",),
                license="Apache-2.0",
            ),
            Checkpoint(
                name="things",
                file="things.pth",
                url="https://github.com/drinkingcoder/FlowFormer-Official",
                license="Apache-2.0",
            ),
        ),
        layouts=(
            Layout(
                has_all=(
                    "memory_encoder.cost_perceiver_encoder.latent_tokens",
                    "memory_decoder.update_block.aggregator.gamma",
                    "context_encoder.svt.patch_embeds.0.proj.weight",
                ),
                shapes=(("memory_decoder.update_block.encoder.convc1.weight", (256, 145, 1, 1)),),
                rename=RENAME,
                ignore=UNUSED,
            ),
        ),
    ),
)
