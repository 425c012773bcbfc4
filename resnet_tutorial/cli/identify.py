"""Say which network a file of weights belongs to."""

from ..errors import InputError
from ..weights import identify, model_from_weights, read_weights
from .arguments import IdentifyArgs


def run(args: IdentifyArgs) -> None:
    weights = read_weights(args.file)
    try:
        model = model_from_weights(args.file)
    except InputError:  # the file does not say what it holds, or not truly
        print(identify(weights, claimed=args.file.stem))
        return
    print(identify(model, claimed=args.file.stem))
    print("what weights do not show was read from the file's own description of its network")
