"""Diffusion models of a few thousand random parameters, saved as diffusers saves them."""

import json
from pathlib import Path
from typing import Any

import torch

from recon.methods.repair.diffusion_pipelines import quiet_diffusers

TEXT, CROSS = 16, 16
BLOCKS = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": CROSS,
    "attention_head_dim": 4,
}


def tiny_tokenizer(folder: Path) -> Any:
    """It knows two words."""
    import transformers

    folder.mkdir(parents=True)
    words = ["<|startoftext|>", "<|endoftext|>", "a</w>", "wall</w>", "a", "w", "l"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=TEXT)


def tiny_text_encoder() -> Any:
    import transformers

    return transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=7,
            hidden_size=CROSS,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=TEXT,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )


def save_tiny(folder: Path, channels: int = 4) -> Path:
    """A Stable Diffusion whose UNet takes so many channels: 4, or 9 of one made for inpainting."""
    import diffusers

    torch.manual_seed(0)
    with quiet_diffusers():
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            in_channels=channels,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            **BLOCKS,
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=16,
        )
        inpaints = channels == 9
        kind = diffusers.StableDiffusionInpaintPipeline if inpaints else diffusers.StableDiffusionPipeline
        kind(
            vae=vae,
            text_encoder=tiny_text_encoder(),
            tokenizer=tiny_tokenizer(folder.parent / f"{folder.name}_words"),
            unet=unet,
            scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder)
    return folder


def save_tiny_controlnet(folder: Path) -> Path:
    import diffusers

    torch.manual_seed(1)
    with quiet_diffusers():
        network = diffusers.ControlNetModel(conditioning_embedding_out_channels=(4, 8), **BLOCKS)
        # They start as zeros: a network that has learnt nothing changes nothing.
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        network.save_pretrained(folder)
    return folder


def save_tiny_lora(folder: Path, pipeline: Any) -> Path:
    """One that changes the attention of the pipeline's UNet."""
    from diffusers import StableDiffusionPipeline
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(2)
    pipeline.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    with quiet_diffusers():
        StableDiffusionPipeline.save_lora_weights(folder, get_peft_model_state_dict(pipeline.unet))
    return folder


def save_tiny_models(folder: Path) -> Path:
    """In the folder, which is returned: `base`, `painter` (for inpainting), and the ControlNet `tile`."""
    save_tiny(folder / "base")
    save_tiny(folder / "painter", channels=9)
    save_tiny_controlnet(folder / "tile")
    return folder


def save_tiny_adapter(folder: Path, unet: Any, embedding: int = 12) -> Path:
    """An IP-Adapter for a UNet in the layout of h94/IP-Adapter, with its network of images, whose embeddings
    are so long; returns its file."""
    import transformers
    from safetensors.torch import save_file

    torch.manual_seed(3)
    with quiet_diffusers():
        transformers.CLIPVisionModelWithProjection(
            transformers.CLIPVisionConfig(
                hidden_size=8,
                intermediate_size=8,
                projection_dim=embedding,
                num_hidden_layers=1,
                num_attention_heads=2,
                image_size=16,
                patch_size=8,
            )
        ).save_pretrained(folder / "models" / "image_encoder")
    tokens = 4
    weights = {
        "image_proj.proj.weight": torch.randn(tokens * CROSS, embedding),
        "image_proj.proj.bias": torch.randn(tokens * CROSS),
        "image_proj.norm.weight": torch.ones(CROSS),
        "image_proj.norm.bias": torch.zeros(CROSS),
    }
    # Theirs counts all attentions; the odd ones look at the words.
    width = BLOCKS["block_out_channels"][-1]
    for number in range(sum(n.endswith("attn2.processor") for n in unet.attn_processors)):
        for kind in ("to_k_ip", "to_v_ip"):
            weights[f"ip_adapter.{2 * number + 1}.{kind}.weight"] = torch.randn(width, CROSS)
    file = folder / "models" / "ip-adapter_sd15.safetensors"
    save_file(weights, file, metadata={"format": "pt"})
    return file
